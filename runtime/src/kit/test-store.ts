/** A store for tests: in memory, with the rules of the platform's. Several functions under test may share one. */
import {
  batchText,
  MemoryData,
  MemoryDocuments,
  readBatch,
  type WriteOperation,
  writtenOf,
} from '../documents/index.ts'
import { instanceOptions } from '../options.ts'
import { ENV, type DocumentCloudEvent } from '../protocol/index.ts'
import type { Instance } from '../serve/instance.ts'
import { runOutsideRequests } from '../serve/life-invocation.ts'
import { store, type StoredDocument, type Table } from '../store.ts'
import { Tracing } from '../telemetry/index.ts'
import { answerDocuments } from './documents-api.ts'
import type { TestClock } from '../schedules/manual-clock.ts'

/** Table → id → data. */
export type Seed = Readonly<Record<string, Readonly<Record<string, unknown>>>>

export type BatchOperation = { readonly table: string } & (
  | { readonly op: 'create'; readonly id?: string; readonly data: unknown }
  | { readonly op: 'put'; readonly id: string; readonly data: unknown; readonly ifMatch?: number | '*' }
  | { readonly op: 'patch'; readonly id: string; readonly patch: unknown; readonly ifMatch?: number | '*' }
  | { readonly op: 'delete'; readonly id: string; readonly ifMatch?: number | '*' }
)

type Follower = (event: DocumentCloudEvent) => void

export const STORE_URL = 'http://store.test'

export class TestStore {
  readonly #data = new MemoryData()
  readonly #documents: MemoryDocuments
  readonly #followers = new Set<Follower>()
  readonly #instance: Instance
  #told = 0

  constructor({ clock }: { readonly clock?: TestClock } = {}) {
    const now = clock && { now: () => Math.floor(clock.now()) }
    this.#documents = new MemoryDocuments(this.#data, { source: '/ryo-faas/test/store', ...now })
    this.#instance = {
      options: instanceOptions('test', { [ENV.storeUrl]: STORE_URL }),
      tracing: new Tracing({ settings: undefined, resource: {} }),
      send: (input, init) => this.answer(new Request(input, init)),
    }
  }

  /** Writes documents as if they had always been there: without events. */
  async seed(seed: Seed): Promise<void> {
    const operations = Object.entries(seed).flatMap(([table, documents]) =>
      Object.entries(documents).map(([id, data]): WriteOperation => ({
        kind: 'create',
        table,
        id,
        data: JSON.stringify(data),
      })),
    )
    writtenOf(await this.#documents.write(operations, { isMuted: true }))
  }

  /** What `store(name)` is inside a function, for the test itself. */
  table<T = unknown>(name: string): Table<T> {
    const inside = <Result>(run: () => Promise<Result>) => runOutsideRequests(this.#instance, run)
    const table = store<T>(name)
    return {
      create: (...given) => inside(() => table.create(...given)),
      get: id => inside(() => table.get(id)),
      update: (...given) => inside(() => table.update(...given)),
      replace: (...given) => inside(() => table.replace(...given)),
      delete: (...given) => inside(() => table.delete(...given)),
      query: query => inside(() => table.query(query)),
      all: query => {
        const documents = table.all(query)
        return {
          next: () => inside(() => documents.next()),
          [Symbol.asyncIterator]() {
            return this
          },
        }
      },
    }
  }

  /** All or none; rejects with the store's error if one operation cannot be done. */
  async batch(operations: readonly BatchOperation[]): Promise<(StoredDocument | { id: string; deleted: true })[]> {
    const text = batchText(await this.#documents.write(readBatch({ operations })))
    this.#tell()
    return (JSON.parse(text) as { results: (StoredDocument | { id: string; deleted: true })[] }).results
  }

  /** The events of all writes, in their order. */
  get events(): readonly DocumentCloudEvent[] {
    return this.#data.log.map(({ text }) => JSON.parse(text) as DocumentCloudEvent)
  }

  /** @internal Answers a request as the store would. */
  async answer(request: Request): Promise<Response> {
    request.signal.throwIfAborted()
    const response = await answerDocuments(this.#documents, request)
    this.#tell()
    return response
  }

  /** @internal @param follower called with each event from now on @returns what ends it */
  follow(follower: Follower): () => void {
    this.#followers.add(follower)
    return () => void this.#followers.delete(follower)
  }

  #tell(): void {
    const news = this.#data.log.slice(this.#told)
    this.#told = this.#data.log.length
    for (const { text } of news) {
      for (const follower of this.#followers) follower(JSON.parse(text) as DocumentCloudEvent)
    }
  }
}
