/**
 * Keeps the current table of a process that serves it: accepts new ones one by one, has them served, stores them.
 *
 * Invariants: 1. A table with a lower generation is refused, also when two arrive at once. 2. `setRoutes` resolves only
 * when the table is served and on disk. 3. The file on disk is always a complete table.
 */
import { rename } from 'node:fs/promises'
import { readIfPresent, writeDurably } from '../host/index.ts'
import type { RouteReader } from './route-channel.ts'
import { RouteTable } from './route.ts'

/** A table that is older than what is served. */
export class StaleTableError extends Error {
  readonly generation: number

  /** @param generation the one being served. */
  constructor(generation: number) {
    super(`a table of generation ${generation} is already served`)
    this.name = 'StaleTableError'
    this.generation = generation
  }
}

export interface RouteKeeperOptions {
  /** Where the last table is stored; without it nothing is. */
  file: string | undefined
  serve: (table: RouteTable) => Promise<void> | void
}

export class RouteKeeper implements RouteReader {
  readonly #options: RouteKeeperOptions
  #table: RouteTable | undefined
  #last: Promise<void> = Promise.resolve()

  constructor(options: RouteKeeperOptions) {
    this.#options = options
  }

  get current(): RouteTable | undefined {
    return this.#table
  }

  /** Generation of the current table; -1 before the first. */
  get generation(): number {
    return this.#table?.generation ?? -1
  }

  /** @throws StaleTableError */
  setRoutes(table: RouteTable): Promise<void> {
    const turn = this.#last.then(() => this.#replace(table))
    // The next one runs even if this one failed.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /**
   * Makes the table of an earlier run the current one, without serving it. A file that is missing or not a table
   * is ignored: the agent will publish.
   */
  async load(): Promise<void> {
    const { file } = this.#options
    const text = file === undefined ? undefined : await readIfPresent(file)
    if (text === undefined) return
    try {
      this.#table = RouteTable.parse(JSON.parse(text))
    } catch {
      await rename(file!, `${file}.broken`)
    }
  }

  async #replace(table: RouteTable): Promise<void> {
    const { file, serve } = this.#options
    if (table.generation < this.generation) throw new StaleTableError(this.generation)
    this.#table = table
    await serve(table)
    if (file !== undefined) await writeDurably(file, `${JSON.stringify(table)}\n`)
  }
}
