/**
 * Writes that share a transaction. What they are about is read before, under the writers' lock; then each is planned on
 * what those before it made, in memory, and in the end what is left of it all is put down by one statement.
 *
 * Invariant: a write that is refused leaves no trace here.
 */
import {
  type Change,
  eventText,
  planWrites,
  readCreatedAt,
  readData,
  readEditedAt,
  readVersion,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
} from '../documents/index.ts'
import { fieldsText } from './fields.ts'

export interface Place {
  table: string
  id: string
}

/** What the database has of a document. */
export interface Found extends Place {
  text: string | undefined
  /** Version that it had when it was deleted; 0 if that is not known. */
  lastVersion: number
}

export interface BatchStart {
  /** Of the last event. */
  sequence: number
  /** Number of each table that exists, of those that are written to. */
  tables: ReadonlyMap<string, number>
  found: readonly Found[]
  source: string
  now: string
  nextId: () => string
}

/** A document as it is in the batch; what is undefined it does not have. */
interface Current extends Place {
  was: Found | undefined
  text: string | undefined
  lastVersion: number
  /** Of the event of its deletion. */
  deletedBy: number
}

export interface LogRow {
  sequence: number
  table: string
  time: string
  text: string
}

export interface DocumentRow extends Place {
  version: number
  createdAt: string
  editedAt: string
  fields: string
  text: string
}

/** What is to be put down. */
export interface BatchResult {
  sequence: number
  newTables: string[]
  inserts: DocumentRow[]
  updates: DocumentRow[]
  deletes: Place[]
  /** Deletions to be remembered, and those to be forgotten. */
  remember: (Place & { version: number; sequence: number })[]
  forget: Place[]
  log: LogRow[]
  /** Documents that each table has more than before. */
  grown: Map<string, number>
}

export class Batch {
  readonly #start: BatchStart
  readonly #current = new Map<string, Current>()
  readonly #touched = new Set<Current>()
  readonly #newTables = new Set<string>()
  readonly #grown = new Map<string, number>()
  readonly #log: LogRow[] = []
  #sequence: number

  constructor(start: BatchStart) {
    this.#start = start
    this.#sequence = start.sequence
    for (const was of start.found) this.#hold(was, was)
  }

  write(operations: readonly WriteOperation[], context: WriteContext): WriteOutcome {
    const { now, nextId, tables } = this.#start
    const plan = planWrites<Place>(operations, {
      now,
      nextId,
      placeOf: (table, id) => (tables.has(table) || this.#newTables.has(table) ? { table, id } : undefined),
      document: place => this.#current.get(keyOf(place))?.text,
      lastVersion: place => this.#current.get(keyOf(place))?.lastVersion ?? 0,
    })
    if (plan.kind === 'refused') return plan
    for (const change of plan.changes) this.#apply(change, context)
    const written = plan.changes.map(({ kind, id, version, after }) => ({
      ...{ change: kind, id, version, document: after ?? '' },
    }))
    return { kind: 'written', written }
  }

  result(): BatchResult {
    const result: BatchResult = {
      sequence: this.#sequence,
      newTables: [...this.#newTables],
      ...{ inserts: [], updates: [], deletes: [], remember: [], forget: [] },
      log: this.#log,
      grown: this.#grown,
    }
    for (const { table, id, was, text, lastVersion, deletedBy } of this.#touched) {
      if (text !== undefined) (was?.text === undefined ? result.inserts : result.updates).push(rowOf(table, id, text))
      else if (was?.text !== undefined) result.deletes.push({ table, id })
      if (lastVersion > 0) result.remember.push({ table, id, version: lastVersion, sequence: deletedBy })
      else if (was !== undefined && was.lastVersion > 0) result.forget.push({ table, id })
    }
    return result
  }

  #apply({ kind, table, id, version, before, after }: Change<Place>, context: WriteContext): void {
    if (!this.#start.tables.has(table)) this.#newTables.add(table)
    const current = this.#current.get(keyOf({ table, id })) ?? this.#hold({ table, id }, undefined)
    this.#touched.add(current)
    current.text = after
    current.lastVersion = 0
    const growth = (before === undefined ? 1 : 0) - (after === undefined ? 1 : 0)
    this.#grown.set(table, (this.#grown.get(table) ?? 0) + growth)
    if (context.isMuted === true) return
    const sequence = ++this.#sequence
    if (after === undefined) {
      current.lastVersion = version
      current.deletedBy = sequence
    }
    const { depth = 0, traceparent, tracestate, baggage } = context
    const { source, now: time } = this.#start
    const event = { sequence, source, kind, table, id, version, time, depth }
    const text = eventText(event, { traceparent, tracestate, baggage, before, after })
    this.#log.push({ sequence, table, time, text })
  }

  #hold({ table, id }: Place, was: Found | undefined): Current {
    const current = { table, id, was, text: was?.text, lastVersion: was?.lastVersion ?? 0, deletedBy: 0 }
    this.#current.set(keyOf(current), current)
    return current
  }
}

/** Names have no control characters. */
export function keyOf({ table, id }: Place): string {
  return `${table}\n${id}`
}

function rowOf(table: string, id: string, text: string): DocumentRow {
  return {
    ...{ table, id, text },
    version: readVersion(text),
    createdAt: readCreatedAt(text),
    editedAt: readEditedAt(text),
    fields: fieldsText(readData(text)),
  }
}
