/**
 * The JSON store, typed. Every request is part of the running invocation: trace, remaining time, abort signal and the
 * depth in document events are passed on. Nothing is retried automatically: a write whose response was lost may have
 * happened, and only the caller knows what that means (`ifVersion` makes a retry safe).
 */
import { carriedHeaders } from './carried-headers.ts'
import { currentInvocation } from './context.ts'
import { platformFetch } from './spans/traced-fetch.ts'
import { ENV, pathSegment, type StoredDocument } from './protocol/index.ts'

export type { StoredDocument }

/** JSON merge patch (RFC 7386): absent fields stay, `null` removes one. */
export type MergePatch<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: MergePatch<T[K]> | null }
    : T

export interface WriteOptions {
  /** Only if the document has this version; otherwise a `StoreError` with status 412. */
  readonly ifVersion?: number
}

type Comparison = string | number | boolean | null
type Condition =
  | Comparison
  | {
      readonly '='?: Comparison
      readonly '!='?: Comparison
      readonly '<'?: string | number
      readonly '<='?: string | number
      readonly '>'?: string | number
      readonly '>='?: string | number
      readonly in?: readonly Comparison[]
      readonly contains?: Comparison
      readonly exists?: boolean
    }

export interface Query {
  /** Field of `data` (nested with dots) → condition. All must hold. */
  readonly where?: Readonly<Record<string, Condition>>
  /** A field; a leading `-` reverses the order. Default: by id. */
  readonly orderBy?: string
  readonly limit?: number
  /** Cursor from the previous page. */
  readonly cursor?: string
}

export interface QueryPage<T> {
  readonly documents: StoredDocument<T>[]
  /** Absent on the last page. */
  readonly cursor?: string
}

/** The documents of one table. Every method rejects with a `StoreError` if the store refuses. */
export interface Table<T> {
  /** @param options.id default: a new one that sorts by time. An existing id is a `StoreError` with status 409. */
  create(data: T, options?: { readonly id?: string }): Promise<StoredDocument<T>>
  get(id: string): Promise<StoredDocument<T> | undefined>
  /** Merges `patch` into an existing document. */
  update(id: string, patch: MergePatch<T>, options?: WriteOptions): Promise<StoredDocument<T>>
  /** Creates or replaces the whole document. */
  replace(id: string, data: T, options?: WriteOptions): Promise<StoredDocument<T>>
  /** Resolves to whether it existed. */
  delete(id: string, options?: WriteOptions): Promise<boolean>
  query(query?: Query): Promise<QueryPage<T>>
  /** All pages of a query, one document after the other. */
  all(query?: Omit<Query, 'cursor'>): AsyncIterableIterator<StoredDocument<T>>
}

/** The store refused, or could not be reached (status 0). */
export class StoreError extends Error {
  override readonly name = 'StoreError'
  /** e.g. `PRECONDITION_FAILED`. */
  readonly code: string
  readonly status: number

  constructor(code: string, message: string, options: { status: number; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = code
    this.status = options.status
  }
}

/** A table; the first document creates it. */
export function store<T = unknown>(table: string): Table<T> {
  return new StoreTable<T>(table)
}

class StoreTable<T> implements Table<T> {
  readonly #table: string

  constructor(table: string) {
    this.#table = table
  }

  async create(data: T, { id }: { readonly id?: string } = {}): Promise<StoredDocument<T>> {
    return this.#document(await ask('POST', this.#path, { body: id === undefined ? { data } : { id, data } }))
  }

  async get(id: string): Promise<StoredDocument<T> | undefined> {
    const response = await ask('GET', this.#pathOf(id), { allow: 404 })
    return response.status === 404 ? undefined : this.#document(response)
  }

  async update(id: string, patch: MergePatch<T>, options: WriteOptions = {}): Promise<StoredDocument<T>> {
    const type = 'application/merge-patch+json'
    return this.#document(await ask('PATCH', this.#pathOf(id), { body: patch, type, ...options }))
  }

  async replace(id: string, data: T, options: WriteOptions = {}): Promise<StoredDocument<T>> {
    return this.#document(await ask('PUT', this.#pathOf(id), { body: { data }, ...options }))
  }

  async delete(id: string, options: WriteOptions = {}): Promise<boolean> {
    return (await ask('DELETE', this.#pathOf(id), { allow: 404, ...options })).status !== 404
  }

  async query({ where, orderBy, limit, cursor }: Query = {}): Promise<QueryPage<T>> {
    const parameters = new URLSearchParams()
    if (where !== undefined) parameters.set('where', JSON.stringify(where))
    if (orderBy !== undefined) parameters.set('orderBy', orderBy)
    if (limit !== undefined) parameters.set('limit', String(limit))
    if (cursor !== undefined) parameters.set('cursor', cursor)
    const response = await ask('GET', `${this.#path}?${parameters.toString()}`)
    return (await response.json()) as QueryPage<T>
  }

  async *all(query: Omit<Query, 'cursor'> = {}): AsyncIterableIterator<StoredDocument<T>> {
    let cursor: string | undefined
    do {
      const page = await this.query({ ...query, ...(cursor !== undefined && { cursor }) })
      yield* page.documents
      cursor = page.cursor
    } while (cursor !== undefined)
  }

  get #path(): string {
    return `/tables/${segmentOf('table name', this.#table)}/docs`
  }

  #pathOf(id: string): string {
    return `${this.#path}/${segmentOf('document id', id)}`
  }

  async #document(response: Response): Promise<StoredDocument<T>> {
    return (await response.json()) as StoredDocument<T>
  }
}

/** Refuses, as the store does, a name that would turn the path into another one. */
function segmentOf(what: string, name: string): string {
  const segment = pathSegment(name)
  if (segment !== undefined) return segment
  throw new StoreError('INVALID_NAME', `${JSON.stringify(name)} cannot be a ${what}`, { status: 400 })
}

interface Asked extends WriteOptions {
  readonly body?: unknown
  readonly type?: string
  /** A status that is a result, not an error. */
  readonly allow?: number
}

async function ask(method: string, path: string, asked: Asked = {}): Promise<Response> {
  const invocation = currentInvocation('store()')
  const { storeUrl, token } = invocation
  if (!storeUrl) throw new Error(`store() needs the address of the store; is ${ENV.storeUrl} set?`)
  const headers = carriedHeaders(invocation, undefined)
  if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
  if (asked.body !== undefined) headers.set('content-type', asked.type ?? 'application/json')
  if (asked.ifVersion !== undefined) headers.set('if-match', `"${asked.ifVersion}"`)
  const { signal } = invocation.context
  const body = asked.body === undefined ? null : JSON.stringify(asked.body)
  let response: Response
  try {
    response = await platformFetch(new URL(path, storeUrl), { method, headers, body, signal })
  } catch (cause) {
    signal.throwIfAborted()
    throw new StoreError('STORE_UNAVAILABLE', `${method} ${path}: the store cannot be reached`, { status: 0, cause })
  }
  if (response.ok || response.status === asked.allow) return response
  throw await errorOf(response, `${method} ${path}`)
}

async function errorOf(response: Response, what: string): Promise<StoreError> {
  const { status } = response
  const text = await response.text()
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } }
    return new StoreError(error.code, `${what}: ${error.message}`, { status })
  } catch {
    return new StoreError('STORE_ERROR', `${what}: status ${status}`, { status })
  }
}
