/**
 * Background work in small transactions between others: building indexes, and sweeping orphans. How far it
 * came is part of each transaction, so it resumes after a crash. It waits while the disk is full.
 */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import type { CommandRunner } from './command-runner.ts'
import { idOf, prefixed } from './keys.ts'
import { translateFault } from './storage-fault.ts'
import { readState, readTables, STATE, writeState, type Garbage } from './table-records.ts'
import type { Writer } from './writer.ts'

/** Documents or keys in one transaction. */
const STEP = 500
const PAUSE_MS = 1_000

export class Background {
  readonly #writer: Writer
  readonly #runner: CommandRunner
  #next: NodeJS.Immediate | undefined
  #later: NodeJS.Timeout | undefined
  /** In `performance.now()`: a thread that is never idle does not come to its timers. */
  #pausedUntil = 0
  #isStopped = false

  constructor(writer: Writer, runner: CommandRunner) {
    this.#writer = writer
    this.#runner = runner
    this.poke()
  }

  /** There may be something to do, once nothing else is. */
  poke(): void {
    if (!this.#isDue) return
    this.#next ??= setImmediate(() => {
      this.#next = undefined
      this.step()
      this.poke()
    })
  }

  /** One transaction, if there is something to do: for callers that are always busy. */
  step(): void {
    if (!this.#isDue) return
    try {
      this.#writer.hasBackgroundWork = this.#runner.transaction(() => backgroundStep(this.#writer))
    } catch (error) {
      translateFault(error, this.#writer.environment.path) // Throws if waiting cannot help.
      this.#pausedUntil = performance.now() + PAUSE_MS
      clearTimeout(this.#later)
      this.#later = setTimeout(() => {
        this.#pausedUntil = 0
        this.poke()
      }, PAUSE_MS)
    }
  }

  stop(): void {
    this.#isStopped = true
    clearImmediate(this.#next)
    clearTimeout(this.#later)
  }

  get #isDue(): boolean {
    return !this.#isStopped && this.#writer.hasBackgroundWork && performance.now() >= this.#pausedUntil
  }
}

/** Inside a transaction. @returns whether there may be more to do. */
function backgroundStep(writer: Writer): boolean {
  return buildStep(writer) || sweepStep(writer)
}

function buildStep(writer: Writer): boolean {
  const name = unfinishedTable(writer)
  if (name === undefined) return false
  const { record, paths } = writer.knownTable(name)!
  const { space } = record
  const at = record.indexes.findIndex(({ state }) => state === 'building')
  const index = record.indexes[at]!
  const range = writer.environment.documents.getRange({
    start: index.through === undefined ? prefixed(space) : prefixed(space, index.through),
    exclusiveStart: true,
    end: prefixed(space + 1),
    limit: STEP,
  })
  let taken = 0
  for (const { key, value } of [...range]) {
    writer.putEntry(index, paths[at]!, JSON.parse(value) as StoredDocument)
    index.through = idOf(key)
    taken += 1
  }
  index.done += taken
  if (taken < STEP) {
    index.state = 'ready'
    delete index.through
  }
  writer.changed(name)
  return true
}

function unfinishedTable(writer: Writer): string | undefined {
  for (const [name, { indexes }] of readTables(writer.environment)) {
    if (indexes.some(({ state }) => state === 'building')) return name
  }
  return undefined
}

function sweepStep(writer: Writer): boolean {
  const garbage = readState<Garbage[]>(writer.environment, STATE.garbage) ?? []
  const [first, ...rest] = garbage
  if (first === undefined) return false
  const { documents, versions, index } = writer.environment
  const range = { start: prefixed(first.number), end: prefixed(first.number + 1), limit: STEP }
  let swept = 0
  for (const database of first.kind === 'space' ? [documents, versions] : [index]) {
    for (const key of [...database.getKeys(range)]) {
      database.removeSync(key)
      swept += 1
    }
  }
  if (swept === 0) writeState(writer.environment, STATE.garbage, rest)
  return true
}
