/** The store's API as the CLI uses it. */
import { z } from 'zod'
import { RyoFaasError, type PlatformView } from '../contract/index.ts'
import { sseData } from './server-sent-events.ts'

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

export interface StoreRequest {
  body?: NonNullable<RequestInit['body']>
  contentType?: string
  headers?: Record<string, string>
}

export class StoreClient {
  readonly #url: string
  readonly #signal: AbortSignal

  /** @throws RyoFaasError STORE_UNAVAILABLE */
  constructor({ parts }: PlatformView, signal: AbortSignal) {
    const address = parts.find(({ name }) => name === 'store')?.address
    if (address === undefined) {
      throw new RyoFaasError('STORE_UNAVAILABLE', 'the store is not running', {
        hint: 'ryo-faas details shows the state of the parts.',
      })
    }
    this.#url = `http://${address}`
    this.#signal = signal
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

  /** Events as they come, from the one with this sequence on. */
  async *changes(table: string | undefined, since: string): AsyncGenerator<unknown> {
    const path = table === undefined ? '/changes' : `${tablePath(table)}/changes`
    const response = await this.send('GET', `${path}?since=${encodeURIComponent(since)}`)
    for await (const data of sseData(response)) yield JSON.parse(data) as unknown
  }

  /** @throws RyoFaasError INVALID_REQUEST with what the store said; STORE_UNAVAILABLE. */
  async send(method: string, path: string, { body, contentType, headers = {} }: StoreRequest = {}): Promise<Response> {
    const all = { ...headers, ...(contentType !== undefined && { 'content-type': contentType }) }
    let response: Response
    try {
      const init: RequestInit & { duplex?: 'half' } = { method, headers: all, signal: this.#signal, duplex: 'half' }
      response = await fetch(this.#url + path, { ...init, ...(body !== undefined && { body }) })
    } catch (error) {
      if (this.#signal.aborted) throw new RyoFaasError('CANCELLED', 'cancelled', { cause: error })
      throw new RyoFaasError('STORE_UNAVAILABLE', `the store at ${this.#url} does not answer`, { cause: error })
    }
    if (response.ok) return response
    const parsed = StoreErrorBody.safeParse(await response.json().catch(() => undefined))
    const message = parsed.success ? `${parsed.data.error.code}: ${parsed.data.error.message}` : `${response.status}`
    throw new RyoFaasError(response.status >= 500 ? 'STORE_UNAVAILABLE' : 'INVALID_REQUEST', message)
  }
}

export function tablePath(table: string): string {
  return `/tables/${encodeURIComponent(table)}`
}

export function docsPath(table: string): string {
  return `${tablePath(table)}/docs`
}

export function docPath(table: string, id: string): string {
  return `${docsPath(table)}/${encodeURIComponent(id)}`
}
