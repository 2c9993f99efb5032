/**
 * The events in a request, in each content mode of the HTTP binding of CloudEvents 1.0.2: binary, structured and batch.
 *
 * Why not the SDK (`cloudevents`): it gives an event without id or version one instead of refusing it, knows no limits,
 * and brings a validator of JSON schemas (ajv) into the smallest process of the platform. It judges this file in tests.
 *
 * Invariants: 1. An event that is returned is valid, and in the JSON format. 2. Binary data keeps every byte; JSON keeps
 * its value.
 */
import {
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  cloudEventProblem,
  isJsonType,
  OWN_EVENT_TYPES,
  type CloudEvent,
} from '@ryo-faas/runtime/protocol'

/** In the JSON format: `data`, or binary data as `data_base64`. */
export type JsonEvent = CloudEvent & { readonly data_base64?: string }

/** What is wrong with a request: the message begins with the name of the attribute. */
export class InvalidEventError extends Error {}

export interface EventRequest {
  /** Names and values one after the other, as they came. */
  rawHeaders: readonly string[]
  body: Buffer
}

/**
 * @returns one event, or those of a batch
 * @throws InvalidEventError
 */
export function readEvents({ rawHeaders, body }: EventRequest): JsonEvent[] {
  const contentType = headerOf(rawHeaders, 'content-type')
  const mediaType = contentType?.split(';', 1)[0]!.trim().toLowerCase() ?? ''
  if (mediaType === CLOUD_EVENT_TYPE) return [valid(parsed(body, 'event'))]
  if (mediaType === CLOUD_EVENT_BATCH_TYPE) return readBatch(body)
  if (mediaType.startsWith('application/cloudevents')) {
    throw new InvalidEventError(`content-type: events are read as JSON only, not as ${mediaType}`)
  }
  return [valid(binaryEvent(rawHeaders, { contentType, body }))]
}

function readBatch(body: Buffer): JsonEvent[] {
  const events = parsed(body, 'batch')
  if (!Array.isArray(events)) throw new InvalidEventError('batch: must be a JSON array')
  return events.map((event, index) => valid(event, `event ${index + 1} of ${events.length}: `))
}

/** @throws InvalidEventError */
function valid(event: unknown, which = ''): JsonEvent {
  const problem = cloudEventProblem(event)
  if (problem !== undefined) throw new InvalidEventError(`${which}${problem.attribute}: ${problem.message}`)
  const known = event as JsonEvent
  if (known.type.startsWith(OWN_EVENT_TYPES)) {
    throw new InvalidEventError(`${which}type: types that begin with "${OWN_EVENT_TYPES}" are the platform's own`)
  }
  // An attribute that is null is absent; data may be null.
  return Object.fromEntries(
    Object.entries(known).filter(([name, value]) => value !== null || name === 'data'),
  ) as JsonEvent
}

function parsed(text: Buffer, what: string): unknown {
  try {
    return JSON.parse(UTF_8.decode(text))
  } catch {
    throw new InvalidEventError(`${what}: the body is not JSON`)
  }
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })
const PREFIX = 'ce-'

function binaryEvent(
  rawHeaders: readonly string[],
  { contentType, body }: { contentType: string | undefined; body: Buffer },
): unknown {
  const event: Record<string, unknown> = {}
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    if (!name.startsWith(PREFIX)) continue
    const attribute = name.slice(PREFIX.length)
    if (attribute === 'data' || attribute === 'data_base64' || attribute === 'datacontenttype') {
      throw new InvalidEventError(`${attribute}: is not sent as a header`)
    }
    if (Object.hasOwn(event, attribute)) throw new InvalidEventError(`${attribute}: is there twice`)
    event[attribute] = decoded(rawHeaders[i + 1]!, attribute)
  }
  if (event['specversion'] === undefined) {
    const reason = `send ${CLOUD_EVENT_TYPE}, ${CLOUD_EVENT_BATCH_TYPE}, or the attributes as headers (ce-specversion, ce-id, …)`
    throw new InvalidEventError(`specversion: is missing; ${reason}`)
  }
  return {
    ...event,
    ...(contentType !== undefined && { datacontenttype: contentType }),
    ...(body.length > 0 && dataOf(body, contentType)),
  }
}

/** §3.1.3.2: percent-encoded UTF-8, perhaps in quotes. */
function decoded(value: string, attribute: string): string {
  const quoted = /^"((?:[^"\\]|\\.)*)"$/.exec(value)?.[1]
  const text = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1')
  try {
    // Bytes beyond ASCII, which should have been encoded, are read as UTF-8 as well.
    return decodeURIComponent(UTF_8.decode(Buffer.from(text, 'latin1')).replace(/%(?![0-9A-Fa-f]{2})/g, '%25'))
  } catch {
    throw new InvalidEventError(`${attribute}: is not percent-encoded UTF-8`)
  }
}

export function dataOf(body: Buffer, contentType: string | undefined): Pick<JsonEvent, 'data' | 'data_base64'> {
  if (contentType !== undefined && isJsonType(contentType)) return { data: parsed(body, 'data') }
  if (contentType !== undefined && /^text\//i.test(contentType)) {
    const text = textOf(body)
    if (text !== undefined) return { data: text }
  }
  return { data_base64: body.toString('base64') }
}

/** Undefined if it is not UTF-8, or would not be the same bytes again. */
function textOf(body: Buffer): string | undefined {
  try {
    const text = UTF_8.decode(body)
    return Buffer.from(text).equals(body) ? text : undefined
  } catch {
    return undefined
  }
}

function headerOf(rawHeaders: readonly string[], name: string): string | undefined {
  const at = rawHeaders.findIndex((each, i) => i % 2 === 0 && each.toLowerCase() === name)
  return at < 0 ? undefined : rawHeaders[at + 1]
}
