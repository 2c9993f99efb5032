/**
 * An event as a call: the same retries, states and dead letters as any other. What the queue does for calls is done by
 * the trigger for events: giving back means waiting here, before the later events of the lane.
 */
import { CLOUD_EVENT_TYPE, EVENTS_PREFIX } from '@ryo-faas/runtime/protocol'
import { derivedCallId, subjectOf } from '../../../bus/index.ts'
import { encodeEnvelope, type FaasTrigger } from '../../../calls/index.ts'
import type { CallError } from '../../../contract/index.ts'
import type { CallDelivery } from '../runner/running-calls.ts'
import type { TriggerEvent } from './source.ts'

/** The handler that the event is for, and its label. */
export interface TriggeredCallOptions {
  route: string
  /** The handler's key. */
  key: string
  /** Name and epoch of the trigger: with the event's id they form the call's id. */
  name: string
  epoch: number
  faasTrigger: FaasTrigger
  count: number
}

/** The outcome of a delivery: `undefined` while it is running. */
export type EventOutcome = { kind: 'done' } | { kind: 'again'; delayMs: number }

export class TriggeredCall implements CallDelivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly count: number
  /** After a crash an event is read again, and its call may already have ended. */
  readonly mayBeKnown = true
  readonly refusal: CallError | undefined
  #outcome: EventOutcome | undefined

  constructor(event: TriggerEvent, { route, key, name, epoch, faasTrigger, count }: TriggeredCallOptions) {
    const { id, time, body, headers = [], traceparent, tracestate } = event
    const { path, contentType } = event.request ?? { path: EVENTS_PREFIX + key, contentType: CLOUD_EVENT_TYPE }
    const typed: [string, string][] = contentType === undefined ? [] : [['content-type', contentType]]
    this.subject = subjectOf('call', derivedCallId(route, Date.parse(time), `${name}.${epoch}.${id}`))
    this.count = count
    this.refusal = event.refusal
    const head = {
      v: 1 as const,
      method: 'POST',
      path,
      headers: [...typed, ...headers],
      acceptedAt: time,
      requestId: `event-${id}`,
      trigger: faasTrigger,
      ...(traceparent !== undefined && { traceparent }),
      ...(tracestate !== undefined && { tracestate }),
      bodyBytes: body.length,
    }
    this.data = encodeEnvelope(head, body)
  }

  get outcome(): EventOutcome | undefined {
    return this.#outcome
  }

  /** It is not in a stream. */
  header(): undefined {}

  ack(): void {
    this.#outcome = { kind: 'done' }
  }

  nak(delayMs = 0): void {
    this.#outcome = { kind: 'again', delayMs }
  }

  /** No other dispatcher can take it. */
  working(): void {}
}
