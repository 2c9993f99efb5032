/**
 * Imports entries in groups, each all or nothing, with several groups being written at once. An entry that cannot
 * be imported ends the import; what was imported before stays, and the error says how much that is.
 */
import { type ErrorDetails, StoreError } from '@ryo-faas/runtime/documents'
import type { DocumentStore, ImportOperation, WriteContext } from '../documents/index.ts'

export interface ImportCounts {
  imported: number
  created: number
  replaced: number
}

const GROUP_ENTRIES = 500
const GROUP_LENGTH = 1024 * 1024
const GROUPS_IN_FLIGHT = 4

export class Importer {
  readonly counts: ImportCounts = { imported: 0, created: 0, replaced: 0 }
  readonly #store: DocumentStore
  readonly #context: WriteContext
  #group: ImportOperation[] = []
  #groupLength = 0
  #inFlight: Promise<void>[] = []
  readonly #ids = new Set<string>()

  constructor(store: DocumentStore, context: WriteContext) {
    this.#store = store
    this.#context = context
  }

  async add(operation: ImportOperation): Promise<void> {
    // Within a group operations build on each other, which is slow for many; an id twice begins a new one.
    if (operation.id !== undefined && this.#ids.has(operation.id)) await this.#send()
    if (operation.id !== undefined) this.#ids.add(operation.id)
    this.#group.push(operation)
    this.#groupLength += operation.data.length
    if (this.#group.length >= GROUP_ENTRIES || this.#groupLength >= GROUP_LENGTH) await this.#send()
  }

  /** All that was added is on disk. */
  async finish(): Promise<ImportCounts> {
    await this.#send()
    await Promise.all(this.#inFlight)
    return this.counts
  }

  /** Finishes with what was added before the entry that is wrong; its error says what stays. */
  async broken(error: unknown, details: ErrorDetails): Promise<unknown> {
    await this.#send().catch(() => undefined) // Then the counts tell.
    await Promise.allSettled(this.#inFlight)
    if (!(error instanceof StoreError)) return error
    const [[what, number]] = Object.entries(details) as [[string, unknown]]
    const place = error.details['line'] === undefined ? `${what} ${String(number)}: ` : ''
    const { imported } = this.counts
    return new StoreError(error.code, `${place}${error.message}; ${imported} documents before it were taken over`, {
      details: { ...details, ...error.details, ...this.counts },
      cause: error,
    })
  }

  async #send(): Promise<void> {
    if (this.#group.length === 0) return
    const group = this.#group
    this.#group = []
    this.#groupLength = 0
    this.#ids.clear()
    const sent = this.#write(group)
    // One that waits for it later gets the error; perhaps nobody does, and it must not end the process.
    sent.catch(() => undefined)
    this.#inFlight.push(sent)
    if (this.#inFlight.length >= GROUPS_IN_FLIGHT) await this.#inFlight.shift()
  }

  async #write(group: ImportOperation[]): Promise<void> {
    const outcome = await this.#store.write(group, this.#context)
    if (outcome.kind === 'refused') throw new StoreError(outcome.code, outcome.message)
    for (const { change } of outcome.written) {
      this.counts.imported += 1
      if (change === 'new-doc') this.counts.created += 1
      else this.counts.replaced += 1
    }
  }
}
