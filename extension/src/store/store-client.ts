/** The store's API as the editor uses it. */
import { serverSentEvents } from '../agent/server-sent-events.ts'

export interface StoredDocument {
  id: string
  table: string
  version: number
  createdAt: string
  editedAt: string
  data: unknown
}

export interface StoreTable {
  table: string
  documents: number
}

export interface DocumentPlace {
  table: string
  id: string
}

/** What the store refused, or that it does not answer (status 0). */
export class StoreFailure extends Error {
  readonly status: number

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StoreFailure'
    this.status = status
  }
}

const TIMEOUT_MS = 10_000

export class StoreClient {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  async tables(): Promise<StoreTable[]> {
    return ((await (await this.#send('GET', '/tables')).json()) as { tables: StoreTable[] }).tables
  }

  async documents(table: string, limit: number): Promise<{ documents: StoredDocument[]; cursor?: string }> {
    const response = await this.#send('GET', `/tables/${encodeURIComponent(table)}/docs?limit=${limit}`)
    return (await response.json()) as { documents: StoredDocument[]; cursor?: string }
  }

  async get(place: DocumentPlace): Promise<StoredDocument> {
    return (await (await this.#send('GET', pathOf(place))).json()) as StoredDocument
  }

  /** @param version that it must have; 0: it must not exist */
  async put(place: DocumentPlace, data: unknown, version: number): Promise<StoredDocument> {
    const condition = version === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${version}"` }
    const headers = { 'content-type': 'application/json', ...condition }
    const response = await this.#send('PUT', pathOf(place), { headers, body: JSON.stringify({ data }) })
    return (await response.json()) as StoredDocument
  }

  async delete(place: DocumentPlace): Promise<void> {
    await this.#send('DELETE', pathOf(place))
  }

  async *changes(signal: AbortSignal): AsyncGenerator<unknown> {
    yield* serverSentEvents(await this.#send('GET', '/changes', { signal }))
  }

  async #send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    let response: Response
    try {
      response = await fetch(this.#url + path, { method, signal: AbortSignal.timeout(TIMEOUT_MS), ...init })
    } catch (error) {
      throw new StoreFailure(0, `the store at ${this.#url} does not answer`, error)
    }
    if (response.ok) return response
    const body = (await response.json().catch(() => undefined)) as { error?: { message?: string } } | undefined
    throw new StoreFailure(response.status, body?.error?.message ?? `the store answered ${response.status}`)
  }
}

function pathOf({ table, id }: DocumentPlace): string {
  return `/tables/${encodeURIComponent(table)}/docs/${encodeURIComponent(id)}`
}
