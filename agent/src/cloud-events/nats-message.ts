/**
 * The event in a message of NATS (NATS protocol binding of CloudEvents 1.0): structured, told by its `content-type`, or
 * by its attributes where there are no headers; binary, with `ce-` headers as in HTTP. Any other message becomes an
 * event that is made of it.
 */
import { CLOUD_EVENT_BATCH_TYPE, cloudEventProblem } from '@ryo-faas/runtime/protocol'
import { dataOf, InvalidEventError, readEvents, type JsonEvent } from './read-events.ts'

/** Type of an event that is made of a message. */
export const MESSAGE_TYPE = 'ryo-faas.nats.message'

interface NatsMessage {
  subject: string
  data: Uint8Array
  /** Names in lower case. */
  headers: readonly [name: string, value: string][]
  /** What an event that is made of it says. */
  made: { id: string; source: string; time: string }
}

/** @throws InvalidEventError */
export function eventOfMessage(message: NatsMessage): JsonEvent {
  const { subject, headers, made } = message
  const body = Buffer.from(message.data.buffer, message.data.byteOffset, message.data.byteLength)
  const header = (wanted: string) => headers.find(([name]) => name === wanted)?.[1]
  const contentType = header('content-type')
  if (contentType?.startsWith(CLOUD_EVENT_BATCH_TYPE)) {
    throw new InvalidEventError('batch: a message of NATS has one event')
  }
  const isStructured = contentType?.startsWith('application/cloudevents') === true
  const [event] = isStructured || header('ce-specversion') ? readEvents({ rawHeaders: headers.flat(), body }) : []
  const known = event ?? (contentType === undefined ? eventIn(body) : undefined)
  const { traceparent, tracestate } = { traceparent: header('traceparent'), tracestate: header('tracestate') }
  const traced =
    traceparent === undefined || known?.['traceparent'] !== undefined
      ? {}
      : { traceparent, ...(tracestate && { tracestate }) }
  if (known !== undefined) return { ...known, ...traced }
  const type = contentType ?? mediaTypeOf(body)
  return {
    ...{ specversion: '1.0', type: MESSAGE_TYPE, subject, ...made, ...traced },
    ...(body.length > 0 && { datacontenttype: type, ...dataOf(body, type) }),
  }
}

/** A message without headers may be an event all the same. */
function eventIn(body: Buffer): JsonEvent | undefined {
  const given = jsonIn(body)
  const looksLike = typeof given === 'object' && given !== null && 'specversion' in given
  return looksLike && cloudEventProblem(given) === undefined
    ? readEvents({ rawHeaders: ['content-type', 'application/cloudevents+json'], body })[0]
    : undefined
}

function mediaTypeOf(body: Buffer): string {
  if (jsonIn(body) !== undefined) return 'application/json'
  return Buffer.from(body.toString('utf8')).equals(body) ? 'text/plain' : 'application/octet-stream'
}

function jsonIn(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}
