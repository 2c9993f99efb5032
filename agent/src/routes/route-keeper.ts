/**
 * Keeps the current table of a process that serves it: accepts new ones one by one, has them served, stores them.
 *
 * Invariants: 1. A table with a lower generation is refused, also when two arrive at once, and so is a patch of another
 * table. 2. `setRoutes` resolves only when the table is served and on disk. 3. The file on disk is always a complete
 * table. 4. Patches do not wait for each other to settle. 5. An instance that a patch takes away or freezes is not in
 * use according to the disk either when the patch has settled. One that it adds or wakes is saved a moment later:
 * a process that takes it for frozen only asks once more for it to be woken.
 */
import { rename } from 'node:fs/promises'
import { readIfPresent, writeDurably } from '../host/index.ts'
import type { PatchReader, Served } from './route-channel.ts'
import { keyOfInstance, patched, RouteTable, type Route, type RoutePatch } from './route.ts'

/** Changes that may be saved later are saved together. */
const SAVE_LATER_MS = 100

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
  /**
   * What it does at once happens in the order of the tables; what it waits for may overlap.
   * @param patch what makes `table` of the one before; undefined: anything may have changed
   */
  serve: (table: RouteTable, patch?: RoutePatch) => Promise<void> | void
}

export class RouteKeeper implements PatchReader {
  readonly #options: RouteKeeperOptions
  #table: RouteTable | undefined
  #last: Promise<void> = Promise.resolve()
  #saving: Promise<void> = Promise.resolve()
  #nextSave: Promise<void> | undefined
  #saveTimer: NodeJS.Timeout | undefined

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
  setRoutes(table: RouteTable, onServed?: () => void): Promise<void> {
    const turn = this.#last.then(() => this.#replace(table, onServed))
    // The next one runs even if this one failed.
    this.#last = turn.catch(() => undefined)
    return turn
  }

  /** @throws StaleTableError */
  async setRoute(patch: RoutePatch): Promise<Served> {
    const before = this.#table
    if (before?.generation !== patch.base) throw new StaleTableError(this.generation)
    this.#table = patched(before, patch)
    const served = this.#options.serve(this.#table, patch)
    const mustSave = takesAway(before, patch.route)
    if (!mustSave) this.#saveLater()
    const settle = async () => {
      await served
      if (mustSave) await this.#save()
    }
    const settled = settle()
    settled.catch(() => undefined)
    return { settled }
  }

  /** Saves what may be saved later. */
  async close(): Promise<void> {
    if (this.#saveTimer !== undefined) await this.#save().catch(() => undefined)
    await this.#saving
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

  async #replace(table: RouteTable, onServed: (() => void) | undefined): Promise<void> {
    if (table.generation < this.generation) throw new StaleTableError(this.generation)
    this.#table = table
    const served = this.#options.serve(table)
    onServed?.()
    await served
    await this.#save()
  }

  #saveLater(): void {
    // What cannot be saved now is saved with the next change.
    this.#saveTimer ??= setTimeout(() => void this.#save().catch(() => undefined), SAVE_LATER_MS).unref()
  }

  /** All who ask while one table is being written share the next write, which is of the newest. */
  #save(): Promise<void> {
    clearTimeout(this.#saveTimer)
    this.#saveTimer = undefined
    const { file } = this.#options
    if (file === undefined) return Promise.resolve()
    if (this.#nextSave !== undefined) return this.#nextSave
    const save = this.#saving.then(() => {
      this.#nextSave = undefined
      return writeDurably(file, `${JSON.stringify(this.#table)}\n`)
    })
    this.#nextSave = save
    this.#saving = save.catch(() => undefined)
    return save
  }
}

/** Whether an instance that calls could be sent to is not there any more, or frozen. */
function takesAway({ routes }: RouteTable, next: Route): boolean {
  const awake = new Set(next.instances.filter(({ isFrozen }) => !isFrozen).map(keyOfInstance))
  const before = routes.find(({ name }) => name === next.name)?.instances ?? []
  return before.some(instance => instance.isFrozen !== true && !awake.has(keyOfInstance(instance)))
}
