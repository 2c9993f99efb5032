/**
 * A result to be delivered, as a message: the result in its envelope, everything else in message headers.
 * It contains everything that is sent, so that it outlives the history of its call.
 */
import { HEADERS, type PlatformErrorCode } from '@ryo-faas/runtime/protocol'
import { callIdOfSubject, subjectOf, type Bus, type Delivery } from '../../../bus/index.ts'
import {
  decodeResult,
  encodeEnvelope,
  getBody,
  type CallHead,
  type CallState,
  type ResultHead,
} from '../../../calls/index.ts'

export interface Callback {
  callId: string
  /** Same for every attempt to deliver it. */
  webhookId: string
  url: string
  functionName: string
  /** Present if it goes out as a CloudEvent: what happened to the call, and when. */
  event: { status: string; time: string } | undefined
  status: number
  /** Duration of the last attempt. */
  durationMs: number
  traceparent: string | undefined
  tracestate: string | undefined
  /** Headers of the result that describe its body. */
  headers: [string, string][]
  body: Buffer
}

const FIELDS = {
  url: 'Rfa-Url',
  fn: 'Rfa-Function',
  ms: 'Rfa-Duration-Ms',
  id: 'Rfa-Webhook-Id',
  trace: 'Rfa-Trace',
  traceState: 'Rfa-Trace-State',
  event: 'Rfa-Event',
  time: 'Rfa-Time',
}
/** The body for a call without a response. */
const NO_ANSWER_STATUS = 502
const ABOUT_BODY: ReadonlySet<string> = new Set(['content-type', 'content-encoding', 'content-language', HEADERS.error])

/** @throws BusError */
export async function queueCallback(
  bus: Bus,
  state: CallState,
  about: { head: CallHead | undefined; functionName: string },
): Promise<void> {
  const { head, body } = contentOf(state)
  const last = state.attempts.at(-1)
  const durationMs = last === undefined ? 0 : Date.parse(last.finishedAt ?? last.startedAt) - Date.parse(last.startedAt)
  const traceparent = last?.traceparent ?? about.head?.traceparent
  const tracestate = about.head?.tracestate
  const asEvent = about.head?.headers.some(([name]) => name.toLowerCase() === HEADERS.callbackFormat) === true
  await bus.publish(subjectOf('callback', state.id), encodeEnvelope(head, body), {
    messageId: `${state.id}.${state.attempts.length}`,
    headers: {
      [FIELDS.url]: state.callback!.url,
      [FIELDS.fn]: about.functionName,
      [FIELDS.ms]: String(durationMs),
      [FIELDS.id]: webhookIdOf(state),
      ...(asEvent && { [FIELDS.event]: state.status, [FIELDS.time]: last?.finishedAt ?? state.acceptedAt }),
      ...(traceparent !== undefined && { [FIELDS.trace]: traceparent }),
      ...(tracestate !== undefined && { [FIELDS.traceState]: tracestate }),
    },
  })
}

/**
 * The call's id; a new one after a redrive, because the result is new and receivers drop known ids.
 */
export function webhookIdOf({ id, attemptsBefore }: CallState): string {
  return attemptsBefore === 0 ? id : `${id}.${attemptsBefore}`
}

function contentOf({ id, result, error }: CallState): { head: ResultHead; body: Uint8Array } {
  if (result === undefined) {
    const { code, message } = error ?? { code: 'UNKNOWN', message: 'there is no result' }
    const body = Buffer.from(JSON.stringify({ error: { code, message, callId: id } }))
    const headers: [string, string][] = [
      ['content-type', 'application/json; charset=utf-8'],
      [HEADERS.error, code],
    ]
    return { head: { v: 1, status: NO_ANSWER_STATUS, headers, bodyBytes: body.length }, body }
  }
  const { status, bodyRef, bodyBytes, tooLarge } = result
  const headers = result.headers.filter(([name]) => ABOUT_BODY.has(name.toLowerCase()))
  if (bodyRef !== undefined) return { head: { v: 1, status, headers, bodyRef, bodyBytes }, body: Buffer.alloc(0) }
  const body = Buffer.from(result.body ?? '', 'base64')
  if (tooLarge) headers.push([HEADERS.error, 'RESULT_TOO_LARGE' satisfies PlatformErrorCode])
  return { head: { v: 1, status, headers, bodyBytes: body.length }, body }
}

/**
 * @throws BusError UNAVAILABLE; REFUSED if a long body is no longer kept
 * @throws Error if it is not such a message
 */
export async function readCallback(bus: Bus, delivery: Delivery): Promise<Callback> {
  const { head, body } = decodeResult(delivery.data)
  const callId = callIdOfSubject(delivery.subject)
  const happened = delivery.header(FIELDS.event)
  return {
    callId,
    webhookId: delivery.header(FIELDS.id) ?? callId,
    url: delivery.header(FIELDS.url) ?? '',
    functionName: delivery.header(FIELDS.fn) ?? '',
    event: happened === undefined ? undefined : { status: happened, time: delivery.header(FIELDS.time) ?? '' },
    status: head.status,
    durationMs: Number(delivery.header(FIELDS.ms) ?? 0),
    traceparent: delivery.header(FIELDS.trace),
    tracestate: delivery.header(FIELDS.traceState),
    headers: head.headers,
    body: head.bodyRef === undefined ? (body as Buffer) : await getBody(bus, head.bodyRef, head.bodyBytes),
  }
}
