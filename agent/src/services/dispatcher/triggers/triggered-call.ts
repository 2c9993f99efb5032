/**
 * A document event as a call: the same retries, states and dead letters as any other. What the queue does for calls is
 * done by the trigger for events: giving back means waiting here, in front of the later changes of the document.
 */
import { CLOUD_EVENT_TYPE, EVENTS_PREFIX, HEADERS, type DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { signDepth } from '../../../access/index.ts'
import type { CallError } from '../../../contract/index.ts'
import { derivedCallId, subjectOf } from '../../../bus/index.ts'
import { encodeEnvelope, type CallHead } from '../../../calls/index.ts'
import type { Delivery } from '../pacing/puller.ts'

export interface EventOf {
  route: string
  /** Of the handler. */
  key: string
  /** Of the subscription: a replay makes new calls. */
  epoch: number
}

/** What became of a delivery: `undefined` as long as it is worked on. */
export type EventOutcome = { kind: 'done' } | { kind: 'again'; delayMs: number }

export class EventDelivery implements Delivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: undefined
  readonly count: number
  /** After a crash an event is read again, and its call may have ended meanwhile. */
  readonly mayBeKnown = true
  readonly refusal: CallError | undefined
  outcome: EventOutcome | undefined

  constructor(
    event: KnownEvent,
    of: { to: EventOf; count: number; refusal: CallError | undefined; functionsKey: string },
  ) {
    this.subject = subjectOf('call', callIdOf(event.event, of.to))
    this.data = encodeEnvelope(headOf(event, { key: of.to.key, functionsKey: of.functionsKey }), event.body)
    this.count = of.count
    this.refusal = of.refusal
  }

  ack(): void {
    this.outcome = { kind: 'done' }
  }

  nak(delayMs = 0): void {
    this.outcome = { kind: 'again', delayMs }
  }

  /** Nobody else can take it. */
  working(): void {}
}

export interface KnownEvent {
  event: DocumentCloudEvent
  /** As it was written. */
  body: Uint8Array
}

function callIdOf({ sequence, time }: DocumentCloudEvent, { route, key, epoch }: EventOf): string {
  return derivedCallId(route, Date.parse(time), `${route}.${key}.${epoch}.${sequence}`)
}

function headOf({ event, body }: KnownEvent, of: { key: string; functionsKey: string }): CallHead {
  return {
    v: 1,
    method: 'POST',
    path: EVENTS_PREFIX + of.key,
    headers: [
      ['content-type', CLOUD_EVENT_TYPE],
      // What the function does now was led to by one event more.
      [HEADERS.eventDepth, signDepth(of.functionsKey, event.eventdepth + 1)],
      ...(event.baggage === undefined ? [] : [['baggage', event.baggage] satisfies [string, string]]),
    ],
    acceptedAt: event.time,
    requestId: `event-${event.sequence}`,
    ...(event.traceparent !== undefined && { traceparent: event.traceparent }),
    ...(event.tracestate !== undefined && { tracestate: event.tracestate }),
    bodyBytes: body.length,
  }
}
