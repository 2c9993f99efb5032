/** Publishes events for triggers of the platform, as part of the running invocation. */
import { carriedHeaders } from './carried-headers.ts'
import { currentInvocation } from './context.ts'
import { platformFetch } from './spans/traced-fetch.ts'
import {
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  cloudEventProblem,
  ENV,
  EVENTS_PATH,
  routeOf,
  type CloudEvent,
} from './protocol/index.ts'

/**
 * An event to publish: what is left out is made. Events that may be published twice, because their invocation is tried
 * again, need an `id` of their own: the same one is taken once within ten minutes.
 */
export interface EventToPublish<T = unknown> {
  readonly type: string
  /** JSON, or bytes. */
  readonly data?: T
  /** Default: a random one. */
  readonly id?: string
  /** Default: `/functions/<name>`, the function that publishes. */
  readonly source?: string
  /** Events of one source and subject are handled one after the other. */
  readonly subject?: string
  /** Default: now. */
  readonly time?: string
  readonly datacontenttype?: string
  readonly dataschema?: string
  readonly [extension: string]: unknown
}

/** An event was refused, or the platform could not be reached (status 0). */
export class PublishError extends Error {
  override readonly name = 'PublishError'
  /** e.g. `BAD_REQUEST`, `ASYNC_UNAVAILABLE`. */
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, options: { status: number; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = code
    this.status = options.status
  }
}

/**
 * Resolves once the event is stored: every trigger that it is for will run. Several are stored all or not at all.
 * @returns the events as they were published
 * @throws TypeError if an event is not valid, PublishError
 */
export async function publish<T>(event: EventToPublish<T>): Promise<CloudEvent<T>>
export async function publish<T>(events: readonly EventToPublish<T>[]): Promise<CloudEvent<T>[]>
export async function publish<T>(
  given: EventToPublish<T> | readonly EventToPublish<T>[],
): Promise<CloudEvent<T> | CloudEvent<T>[]> {
  const invocation = currentInvocation('publish()')
  const { proxyUrl, token, context } = invocation
  if (!proxyUrl) throw new Error(`publish() needs the address of the proxy; is ${ENV.proxyUrl} set?`)
  const source = `/functions/${routeOf(context.name)}`
  const isList = Array.isArray(given)
  const events = (isList ? given : [given]).map((event: EventToPublish<T>) => completed(event, source))
  if (events.length === 0) return []
  const headers = carriedHeaders(invocation, undefined)
  if (token !== undefined) headers.set('proxy-authorization', `Bearer ${token}`)
  headers.set('content-type', isList ? CLOUD_EVENT_BATCH_TYPE : CLOUD_EVENT_TYPE)
  const sent = events.map(inJsonFormat)
  const { signal } = context
  let response: Response
  try {
    const body = JSON.stringify(isList ? sent : sent[0])
    response = await platformFetch(new URL(EVENTS_PATH, proxyUrl), { method: 'POST', headers, body, signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw new PublishError('UNREACHABLE', 'publish(): the platform cannot be reached', { status: 0, cause })
  }
  if (!response.ok) throw await errorOf(response)
  await response.body?.cancel()
  return isList ? events : events[0]!
}

function completed<T>(event: EventToPublish<T>, source: string): CloudEvent<T> {
  const whole = {
    id: crypto.randomUUID(),
    source,
    time: new Date().toISOString(),
    ...event,
    specversion: '1.0' as const,
  }
  const type = whole.data === undefined || event.datacontenttype !== undefined ? undefined : typeOf(whole.data)
  const typed = type === undefined ? whole : { ...whole, datacontenttype: type }
  const problem = cloudEventProblem(inJsonFormat(typed))
  if (problem !== undefined) throw new TypeError(`publish(): ${problem.attribute} ${problem.message}`)
  return typed
}

function typeOf(data: unknown): string {
  return data instanceof Uint8Array ? 'application/octet-stream' : 'application/json'
}

/** Bytes as `data_base64`. */
function inJsonFormat({ data, ...event }: CloudEvent): object {
  if (!(data instanceof Uint8Array)) return data === undefined ? event : { ...event, data }
  return { ...event, data_base64: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') }
}

async function errorOf(response: Response): Promise<PublishError> {
  const { status } = response
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } }
    return new PublishError(error.code, `publish(): ${error.message}`, { status })
  } catch {
    return new PublishError('PUBLISH_ERROR', `publish(): status ${status}`, { status })
  }
}
