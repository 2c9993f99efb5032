/** The store's API. */
import { pathSegment } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { RyoFaasError } from '../contract/index.ts'
import type { AgentClient } from './agent-client.ts'
import { type Door, ListenerClient, type ListenerRequest } from './listener-client.ts'
import { serverSentEvents } from './server-sent-events.ts'

const StoreErrorBody = z.object({ error: z.looseObject({ code: z.string(), message: z.string() }) })
export const StoredDocument = z.looseObject({
  id: z.string(),
  table: z.string(),
  version: z.int(),
  createdAt: z.string(),
  editedAt: z.string(),
  data: z.unknown(),
})
export type StoredDocument = z.infer<typeof StoredDocument>
const Page = z.object({ documents: z.array(StoredDocument), cursor: z.string().optional() })
const IndexView = z.looseObject({ field: z.string(), state: z.string(), documents: z.int() })
const TableView = z.looseObject({ table: z.string(), documents: z.int(), indexes: z.array(IndexView) })

/** The store refused, or did not respond. */
export class StoreFailure extends RyoFaasError {
  /** Status of the response; 0 if there was none. */
  readonly answered: number

  constructor(answered: number, message: string, cause?: unknown) {
    const isOurs = answered === 0 || answered >= 500
    super(isOurs ? 'STORE_UNAVAILABLE' : 'INVALID_REQUEST', message, cause === undefined ? {} : { cause })
    this.answered = answered
  }
}

export interface StoreRequest extends Omit<ListenerRequest, 'signal'> {
  contentType?: string
}

export class StoreClient {
  readonly #store: ListenerClient
  readonly #signal: AbortSignal

  /** @param signal cancels all requests of this client */
  constructor(store: Door, signal: AbortSignal) {
    this.#store = new ListenerClient({
      ...store,
      name: 'the store',
      unreachable: (message, cause) => new StoreFailure(0, message, cause),
    })
    this.#signal = signal
  }

  /** @throws RyoFaasError STORE_UNAVAILABLE */
  static async of(agent: AgentClient, signal: AbortSignal): Promise<StoreClient> {
    return new StoreClient(await agent.door('store'), signal)
  }

  async tables() {
    const response = await this.send('GET', '/tables')
    return z.object({ tables: z.array(TableView) }).parse(await response.json()).tables
  }

  async document(method: string, path: string, request: StoreRequest = {}): Promise<StoredDocument> {
    return StoredDocument.parse(await (await this.send(method, path, request)).json())
  }

  async query(table: string, parameters: URLSearchParams) {
    const response = await this.send('GET', `${docsPath(table)}?${parameters.toString()}`)
    return Page.parse(await response.json())
  }

  /** Events as they come, from this sequence on; default: new ones only. */
  async changes(table?: string, since?: string): Promise<AsyncGenerator<unknown>> {
    const path = table === undefined ? '/changes' : `${tablePath(table)}/changes`
    const query = since === undefined ? '' : `?since=${encodeURIComponent(since)}`
    return serverSentEvents(await this.send('GET', `${path}${query}`, { pace: 'stream' }))
  }

  /** @throws StoreFailure INVALID_REQUEST with what the store said; STORE_UNAVAILABLE. RyoFaasError CANCELLED */
  async send(method: string, path: string, request: StoreRequest = {}): Promise<Response> {
    const { contentType, headers, ...rest } = request
    const response = await this.#store.send(method, path, {
      // A query or an import takes as long as it reads.
      pace: 'long',
      ...rest,
      headers: { ...headers, ...(contentType !== undefined && { 'content-type': contentType }) },
      signal: this.#signal,
    })
    if (response.ok) return response
    const parsed = StoreErrorBody.safeParse(await response.json().catch(() => undefined))
    const message = parsed.success ? `${parsed.data.error.code}: ${parsed.data.error.message}` : `${response.status}`
    throw new StoreFailure(response.status, message)
  }
}

export function tablePath(table: string): string {
  return `/tables/${segmentOf('table name', table)}`
}

export function docsPath(table: string): string {
  return `${tablePath(table)}/docs`
}

export function docPath(table: string, id: string): string {
  return `${docsPath(table)}/${segmentOf('document id', id)}`
}

/** Refuses, as the store does, a name that would turn the path into another one. */
function segmentOf(what: string, name: string): string {
  const segment = pathSegment(name)
  if (segment !== undefined) return segment
  throw new StoreFailure(400, `INVALID_NAME: ${JSON.stringify(name)} cannot be a ${what}`)
}

/** Headers for a write that succeeds only if the document has this version; 0: only if it does not exist. */
export function onlyOver(version: number): Record<string, string> {
  return version === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${version}"` }
}
