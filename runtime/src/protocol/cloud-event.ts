/**
 * CloudEvents 1.0.2: an event of any kind, and what makes one valid. Functions publish them, others post them to the
 * proxy, and handlers get them; document events are the ones that the store makes (`DocumentCloudEvent`).
 */

/** An event with all of its attributes, extensions included. `T` is the shape of its data. */
export interface CloudEvent<T = unknown> {
  readonly specversion: '1.0'
  /** Unique within `source`: an event that is delivered twice has the same one. */
  readonly id: string
  /** Where it happened: a URI reference. */
  readonly source: string
  /** What happened, e.g. `com.example.order.paid`. */
  readonly type: string
  /** What it happened to, within `source`. */
  readonly subject?: string
  /** When it happened: RFC 3339. */
  readonly time?: string
  /** Media type of the data; absent: JSON. */
  readonly datacontenttype?: string
  readonly dataschema?: string
  /** JSON, text, or a `Uint8Array`; absent if it has none. */
  readonly data?: T
  /** Extensions: text, booleans and whole numbers. */
  readonly [extension: string]: unknown
}

/** What is wrong with an event, and where: the name of an attribute, or `data`. */
export interface CloudEventProblem {
  attribute: string
  message: string
}

export const CLOUD_EVENT_TYPE = 'application/cloudevents+json'
export const CLOUD_EVENT_BATCH_TYPE = 'application/cloudevents-batch+json'

/** Types that begin with it are made by the platform alone. */
export const OWN_EVENT_TYPES = 'ryo-faas.'
/** Types are parts of a name on the bus, which has a limit. */
const MAX_TYPE_BYTES = 1_024

/** The characters of RFC 3986, 4.1. */
const URI_REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:/
const RFC_3339 =
  /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:;.*)?$/
const INTEGERS = { least: -(2 ** 31), most: 2 ** 31 - 1 }

type Check = (text: string) => string | undefined

/** Attributes that the specification defines. */
const DEFINED: Readonly<Record<string, Check>> = {
  specversion: text => (text === '1.0' ? undefined : 'must be "1.0"'),
  id: () => undefined,
  source: text => (URI_REFERENCE.test(text) ? undefined : 'must be a URI reference, such as /shop or https://example.com/shop'), // prettier-ignore
  type: text => (new TextEncoder().encode(text).length > MAX_TYPE_BYTES ? `must have at most ${MAX_TYPE_BYTES} bytes` : undefined), // prettier-ignore
  subject: () => undefined,
  time: text => (RFC_3339.test(text) ? undefined : 'must be a time of RFC 3339, such as 2027-01-31T09:00:00Z'),
  datacontenttype: text => (MEDIA_TYPE.test(text) ? undefined : 'must be a media type, such as application/json'),
  dataschema: text => (URI_REFERENCE.test(text) && ABSOLUTE_URI.test(text) ? undefined : 'must be an absolute URI'),
}
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const

/** The first problem of an event in the JSON format (`data_base64` for binary data); undefined if it is valid. */
export function cloudEventProblem(event: unknown): CloudEventProblem | undefined {
  if (typeof event !== 'object' || event === null || Array.isArray(event)) {
    return { attribute: 'event', message: 'must be a JSON object' }
  }
  const given = event as Record<string, unknown>
  for (const attribute of REQUIRED) {
    if (given[attribute] === undefined || given[attribute] === null) return { attribute, message: 'is missing' }
  }
  for (const [attribute, value] of Object.entries(given)) {
    if (attribute === 'data' || attribute === 'data_base64') continue
    const message = problemOf(attribute, value)
    if (message !== undefined) return { attribute, message }
  }
  return dataProblem(given)
}

function problemOf(attribute: string, value: unknown): string | undefined {
  // An attribute that is null is absent.
  if (value === null || value === undefined) return undefined
  if (!/^[a-z0-9]+$/.test(attribute)) return 'is not a name: lower-case letters and digits only'
  const check = DEFINED[attribute]
  if (typeof value === 'string') {
    if (value === '' && check !== undefined) return 'must not be empty'
    return isAttributeText(value) ? check?.(value) : 'must have no control characters or lone surrogates'
  }
  if (check !== undefined) return 'must be text'
  if (typeof value === 'boolean') return undefined
  const isInteger =
    typeof value === 'number' && Number.isInteger(value) && value >= INTEGERS.least && value <= INTEGERS.most
  return isInteger ? undefined : 'must be text, a boolean, or a whole number of 32 bits'
}

function dataProblem({ data, data_base64: binary }: Record<string, unknown>): CloudEventProblem | undefined {
  if (binary === undefined || binary === null) return undefined
  if (data !== undefined) return { attribute: 'data_base64', message: 'must not stand next to data' }
  const isBase64 = typeof binary === 'string' && binary.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(binary)
  return isBase64 ? undefined : { attribute: 'data_base64', message: 'must be base64' }
}

/** Its "String" (§3.1): neither control characters nor lone surrogates. */
function isAttributeText(text: string): boolean {
  return !/[\u0000-\u001f\u007f-\u009f]/.test(text) && !/\p{Cs}/u.test(text)
}

/** Whether an event is of the type and source that a pattern names; in both, a final `*` stands for any text. */
export function isEventLike(
  { type, source }: { type: string; source?: string | undefined },
  event: Pick<CloudEvent, 'type' | 'source'>,
): boolean {
  return isLike(type, event.type) && (source === undefined || isLike(source, event.source))
}

function isLike(pattern: string, text: string): boolean {
  return pattern.endsWith('*') ? text.startsWith(pattern.slice(0, -1)) : text === pattern
}

/** Whether data of this media type is JSON (§3.1 of the JSON format); absent: it is. */
export function isJsonType(mediaType: string | undefined): boolean {
  return mediaType === undefined || /^[^;]*[/+]json\s*(?:;|$)/i.test(mediaType)
}
