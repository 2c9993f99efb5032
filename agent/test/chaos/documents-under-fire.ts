/**
 * Writers of documents that know what they wrote. Each has its own documents, so that it knows what every response must
 * be; after a lost response it reads the document.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { StoreFetch } from '../support/platform.ts'
import type { SeededRandom } from './seeded-random.ts'

export const TABLE = 'chaos/of documents 🌪'
const DOCUMENTS_PER_WRITER = 4
const PAUSE_MS = 20
const REQUEST_MS = 5_000

/** A write that happened: the log must contain it once. */
export interface Happened {
  id: string
  version: number
  kind: 'new-doc' | 'updated-doc' | 'deleted-doc'
}

export interface WritersReport {
  happened: Happened[]
  /** Current version and content of each document; undefined if deleted. */
  documents: Map<string, { version: number; n: number } | undefined>
  /** Requests without a response. */
  unanswered: number
  faults: string[]
}

interface Known {
  version: number
  /** Undefined: deleted. */
  n: number | undefined
}

export interface WritersOptions {
  store: StoreFetch
  writers: number
  /** Machines between the writers and the store are cut off, and come back. */
  isCutOff?: boolean
  random: SeededRandom
  /** No write starts after it is aborted. */
  stop: AbortSignal
  /** What was not answered until then is given up, as a fault. */
  limit?: AbortSignal
}

export async function writeUnderFire(options: WritersOptions): Promise<WritersReport> {
  const report: WritersReport = { happened: [], documents: new Map(), unanswered: 0, faults: [] }
  const writers = Array.from({ length: options.writers }, (_, number) => new Writer(number, options, report))
  await Promise.all(writers.map(writer => writer.run()))
  return report
}

class Writer {
  readonly #number: number
  readonly #options: WritersOptions
  readonly #report: WritersReport
  readonly #known = new Map<string, Known>()
  /** What was written without an answer, by document. */
  readonly #open = new Map<string, Set<number>>()
  #n = 0

  constructor(number: number, options: WritersOptions, report: WritersReport) {
    this.#number = number
    this.#options = options
    this.#report = report
  }

  async run(): Promise<void> {
    const { stop, random } = this.#options
    while (!stop.aborted) {
      const single = Math.floor(random.next() * (DOCUMENTS_PER_WRITER - 2))
      // The last two are written together, all or nothing.
      const numbers = random.next() < 0.2 ? [DOCUMENTS_PER_WRITER - 2, DOCUMENTS_PER_WRITER - 1] : [single]
      await this.#write(numbers.map(number => `w${this.#number}.${number}`))
      await delay(random.next() * PAUSE_MS)
    }
    for (const [id, { version, n }] of this.#known) {
      this.#report.documents.set(id, n === undefined ? undefined : { version, n })
    }
  }

  async #write(ids: string[]): Promise<void> {
    const n = ++this.#n
    const isDelete = ids.length === 1 && this.#known.get(ids[0]!)?.n !== undefined && this.#options.random.next() < 0.15
    const operations = ids.map(id => this.#operation(id, isDelete ? undefined : n))
    for (;;) {
      const status = await this.#send('POST', '/batch', { operations })
      if (status !== undefined && status < 300) return this.#done(ids, isDelete ? undefined : n)
      if (status !== undefined && status < 500) {
        // Refused either because the write with the lost response had happened, or wrongly.
        if (await this.#isThere(ids, isDelete ? undefined : n)) return this.#done(ids, isDelete ? undefined : n)
        const late = await this.#late(ids)
        if (late !== undefined) return this.#done(ids, late)
        this.#report.faults.push(`${ids.join('+')}: ${JSON.stringify(operations)} was refused with ${status}`)
        return
      }
      this.#report.unanswered += 1
      for (const id of ids) this.#open.set(id, (this.#open.get(id) ?? new Set()).add(n))
      if (this.#options.limit?.aborted === true) {
        this.#report.faults.push(`${ids.join('+')}: no answer in the time, but ${status}`)
        return
      }
      await delay(PAUSE_MS)
    }
  }

  #operation(id: string, n: number | undefined): object {
    const known = this.#known.get(id)
    const place = { table: TABLE, id }
    if (known?.n === undefined) return { ...place, op: 'create', data: { n } }
    if (n === undefined) return { ...place, op: 'delete', ifMatch: known.version }
    const isPatch = n % 2 === 0
    return isPatch
      ? { ...place, op: 'patch', patch: { n }, ifMatch: known.version }
      : { ...place, op: 'put', data: { n }, ifMatch: known.version }
  }

  #done(ids: string[], n: number | undefined): void {
    for (const id of ids) {
      const known = this.#known.get(id)
      const version = (known?.version ?? 0) + 1
      const kind = n === undefined ? 'deleted-doc' : known?.n === undefined ? 'new-doc' : 'updated-doc'
      this.#known.set(id, { version, n })
      this.#report.happened.push({ id, version, kind })
    }
  }

  /** Whether the store has what was to be written; half of a batch is an error. */
  async #isThere(ids: string[], n: number | undefined): Promise<boolean> {
    const found = await Promise.all(ids.map(async id => (await this.#read(id))?.data.n === n))
    if (found.some(Boolean) && !found.every(Boolean)) this.#report.faults.push(`half of ${ids.join('+')} was written`)
    return found.every(Boolean)
  }

  /**
   * A request may wait at a machine that is cut off, and be done when its client has long given it up. Only a `create`
   * can then succeed, which names no version.
   * @returns what it wrote
   */
  async #late([id, ...others]: string[]): Promise<number | undefined> {
    if (this.#options.isCutOff !== true || others.length > 0 || this.#known.get(id!)?.n !== undefined) return undefined
    const n = (await this.#read(id!))?.data.n
    return n !== undefined && this.#open.get(id!)?.has(n) === true ? n : undefined
  }

  async #read(id: string): Promise<{ version: number; data: { n: number } } | undefined> {
    for (;;) {
      const found = await readDocument(this.#options.store, id).catch(() => 'unknown' as const)
      if (found !== 'unknown') return found
      if (this.#options.limit?.aborted === true) return undefined
      await delay(PAUSE_MS)
    }
  }

  /** @returns the status; undefined without a response */
  async #send(method: string, path: string, body: object): Promise<number | undefined> {
    try {
      const response = await this.#options.store(path, {
        method,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(REQUEST_MS),
      })
      await response.arrayBuffer()
      return response.status
    } catch {
      return undefined // Killed in the middle, or not back yet: expected here.
    }
  }
}

export async function readDocument(
  store: StoreFetch,
  id: string,
): Promise<{ version: number; data: { n: number } } | undefined> {
  const path = `/tables/${encodeURIComponent(TABLE)}/docs/${encodeURIComponent(id)}`
  const response = await store(path, { signal: AbortSignal.timeout(REQUEST_MS) })
  if (response.status === 404) return undefined
  if (!response.ok) throw new Error(`the store answered ${response.status}`)
  return (await response.json()) as { version: number; data: { n: number } }
}
