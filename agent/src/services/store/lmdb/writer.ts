/**
 * All that changes the environment, inside transactions that others open (see `command-runner.ts`). One of these writes
 * at a time, in one thread.
 *
 * Invariants: 1. an operation list is judged as a whole before anything of it is put down, so a refusal leaves no trace
 * in a transaction that it shares. 2. what is kept in memory is what the environment holds: after a transaction that
 * failed it is read again. 3. index entries of a document are those of its last text, also while the index is built.
 */
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { asBinary } from 'lmdb'
import { StoreError } from '@ryo-faas/runtime/documents'
import { GrowingUlids } from '../../../host/index.ts'
import {
  type Change,
  eventText,
  type FieldPath,
  type IndexView,
  parseFieldPath,
  planWrites,
  valueAt,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
} from '../documents/index.ts'
import { type Environment, Scratch } from './environment.ts'
import { digestOf, prefixed, sequenceKey } from './keys.ts'
import { orderKey } from './order-key.ts'
import {
  readState,
  readTable,
  STATE,
  viewOfIndex,
  writeState,
  type Garbage,
  type IndexRecord,
  type Numbers,
  type TableRecord,
} from './table-records.ts'

export interface TableState {
  name: string
  digest: number
  record: TableRecord
  /** In the order of `record.indexes`. */
  paths: FieldPath[]
  isChanged: boolean
}

export class Writer {
  readonly environment: Environment
  /** Indexes are to be built, or garbage to be swept: perhaps, at the start. */
  hasBackgroundWork = true
  readonly #source: string
  readonly #ids = new GrowingUlids()
  readonly #clock = new IsoClock()
  readonly #scratch = new Scratch()
  readonly #tables = new Map<string, TableState>()
  #numbers: Numbers = { sequence: 0, nextSpace: 1, nextIndex: 1 }
  #areNumbersChanged = false

  /** @param source `DocumentCloudEvent.source` */
  constructor(environment: Environment, source: string) {
    this.environment = environment
    this.#source = source
    this.reload()
  }

  /** Sequence of the last event. */
  get sequence(): number {
    return this.#numbers.sequence
  }

  /** Forgets what is in memory: the transaction did not come to pass. */
  reload(): void {
    this.#tables.clear()
    this.#numbers = readState<Numbers>(this.environment, STATE.numbers) ?? { sequence: 0, nextSpace: 1, nextIndex: 1 }
    this.#areNumbersChanged = false
  }

  /** Puts down what the transaction changed of tables and numbers. Last in every transaction. */
  save(): void {
    if (this.#areNumbersChanged) writeState(this.environment, STATE.numbers, this.#numbers)
    this.#areNumbersChanged = false
    for (const table of this.#tables.values()) {
      if (!table.isChanged) continue
      this.environment.tables.putSync(Buffer.from(table.name), JSON.stringify(table.record))
      table.isChanged = false
    }
  }

  write(operations: readonly WriteOperation[], context: WriteContext): WriteOutcome {
    const now = this.#clock.now()
    const plan = planWrites(operations, {
      now,
      nextId: () => this.#ids.next(),
      placeOf: (name, id) => {
        const table = this.knownTable(name)
        return table && prefixed(table.record.space, id)
      },
      document: place => this.environment.documents.get(place),
      lastVersion: place => Number(this.environment.versions.get(place)?.split(' ')[0] ?? 0),
    })
    if (plan.kind === 'refused') return plan
    for (const change of plan.changes) this.#apply(change, context, now)
    return {
      kind: 'written',
      written: plan.changes.map(({ kind, id, version, after }) => ({
        change: kind,
        id,
        version,
        document: after ?? '',
      })),
    }
  }

  declareIndex(name: string, field: string): IndexView {
    const { record, paths } = this.#ensureTable(name)
    const path = parseFieldPath(field)
    const known = record.indexes.find(index => index.field === path.path)
    if (known !== undefined) return viewOfIndex(known, record.documents)
    const isEmpty = record.documents === 0
    const number = this.#numbers.nextIndex++
    const index: IndexRecord = { number, field: path.path, state: isEmpty ? 'ready' : 'building', done: 0 }
    record.indexes.push(index)
    if (!isEmpty) this.hasBackgroundWork = true
    paths.push(path)
    this.changed(name)
    return viewOfIndex(index, record.documents)
  }

  dropIndex(name: string, field: string): undefined {
    const { record, paths } = this.#existingTable(name)
    const path = parseFieldPath(field)
    const at = record.indexes.findIndex(index => index.field === path.path)
    if (at < 0) {
      throw new StoreError('INDEX_NOT_FOUND', `table ${JSON.stringify(name)} has no index on ${path.path}`)
    }
    const [index] = record.indexes.splice(at, 1)
    paths.splice(at, 1)
    this.#discard({ kind: 'index', number: index!.number })
    this.changed(name)
  }

  dropTable(name: string): undefined {
    const { record } = this.#existingTable(name)
    this.#discard({ kind: 'space', number: record.space })
    for (const { number } of record.indexes) this.#discard({ kind: 'index', number })
    this.environment.tables.removeSync(Buffer.from(name))
    this.#tables.delete(name)
  }

  /** The table as it is in memory, if it exists. */
  knownTable(name: string): TableState | undefined {
    const known = this.#tables.get(name)
    if (known !== undefined) return known
    const record = readTable(this.environment, name)
    return record && this.#remember(name, record)
  }

  changed(name: string): void {
    this.#tables.get(name)!.isChanged = true
    this.#areNumbersChanged = true
  }

  /** Entries of a document in some of its table's indexes. */
  putEntry(index: IndexRecord, path: FieldPath, document: StoredDocument): void {
    this.environment.index.putSync(prefixed(index.number, orderKey(valueAt(document, path)), document.id), ENTRY)
  }

  #apply(change: Change<Buffer>, context: WriteContext, now: string): void {
    const { kind, id, version, before, after } = change
    const { documents, versions } = this.environment
    const table = this.#ensureTable(change.table)
    const place = change.place ?? prefixed(table.record.space, id)
    if (after !== undefined) documents.putSync(place, asBinary(this.#scratch.encode(after)))
    else documents.removeSync(place)
    if (table.record.indexes.length > 0) this.#applyToIndexes(table, { id, before, after })
    if (before === undefined) table.record.documents += 1
    else if (after === undefined) table.record.documents -= 1
    table.isChanged = true
    if (change.isReborn) versions.removeSync(place)
    if (context.isMuted === true) return
    const sequence = ++this.#numbers.sequence
    this.#areNumbersChanged = true
    if (after === undefined) versions.putSync(place, `${version} ${sequence}`)
    const { depth = 0, traceparent, tracestate, baggage } = context
    const event = { sequence, source: this.#source, kind, table: table.name, id, version, time: now, depth }
    const text = eventText(event, { traceparent, tracestate, baggage, before, after })
    this.environment.log.putSync(sequenceKey(sequence), this.#scratch.encode(text, table.digest))
  }

  #applyToIndexes(
    { record, paths }: TableState,
    { id, before, after }: { id: string; before: string | undefined; after: string | undefined },
  ): void {
    const old = before === undefined ? undefined : (JSON.parse(before) as StoredDocument)
    const fresh = after === undefined ? undefined : (JSON.parse(after) as StoredDocument)
    record.indexes.forEach(({ number }, at) => {
      const entry = (document: StoredDocument) => prefixed(number, orderKey(valueAt(document, paths[at]!)), id)
      const [oldEntry, freshEntry] = [old && entry(old), fresh && entry(fresh)]
      if (oldEntry !== undefined && freshEntry !== undefined && oldEntry.equals(freshEntry)) return
      if (oldEntry !== undefined) this.environment.index.removeSync(oldEntry)
      if (freshEntry !== undefined) this.environment.index.putSync(freshEntry, ENTRY)
    })
  }

  #ensureTable(name: string): TableState {
    const known = this.knownTable(name)
    if (known !== undefined) return known
    const table = this.#remember(name, { space: this.#numbers.nextSpace++, documents: 0, indexes: [] })
    this.changed(name)
    return table
  }

  #existingTable(name: string): TableState {
    const table = this.knownTable(name)
    if (table === undefined) throw new StoreError('TABLE_NOT_FOUND', `there is no table ${JSON.stringify(name)}`)
    return table
  }

  #remember(name: string, record: TableRecord): TableState {
    const digest = digestOf(name)
    const paths = record.indexes.map(({ field }) => parseFieldPath(field))
    const table = { name, record, paths, digest, isChanged: false }
    this.#tables.set(name, table)
    return table
  }

  #discard(garbage: Garbage): void {
    this.hasBackgroundWork = true
    const known = readState<Garbage[]>(this.environment, STATE.garbage) ?? []
    writeState(this.environment, STATE.garbage, [...known, garbage])
  }
}

/** An index entry says all in its key. */
export const ENTRY = Buffer.of(1)

/** The time as ISO 8601 text in milliseconds. Writes come many in one; its text is made once. */
class IsoClock {
  #time = NaN
  #text = ''

  now(): string {
    const time = Date.now()
    if (time !== this.#time) {
      this.#time = time
      this.#text = new Date(time).toISOString()
    }
    return this.#text
  }
}
