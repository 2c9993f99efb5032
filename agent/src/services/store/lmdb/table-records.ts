/** What is kept of each table, and how it is read. */
import type { IndexView, LogReader, TableView } from '../documents/index.ts'
import type { Environment } from './environment.ts'

export interface IndexRecord {
  /** In front of its entries. */
  number: number
  /** Canonical path. */
  field: string
  state: 'building' | 'ready'
  /** While building: id of the last document taken in, and how many were. Writes keep the index up all the while. */
  through?: string
  done: number
}

export interface TableRecord {
  /** In front of its documents. */
  space: number
  documents: number
  indexes: IndexRecord[]
}

/** What is given out next. */
export interface Numbers {
  /** Last event. */
  sequence: number
  nextSpace: number
  nextIndex: number
}

/** What lost its owner and is still to be swept away. */
export interface Garbage {
  kind: 'space' | 'index'
  number: number
}

export const STATE = {
  numbers: 'numbers',
  garbage: 'garbage',
  /** Tells this log from one that was started again or restored. */
  epoch: 'epoch',
} as const
export type StateName = (typeof STATE)[keyof typeof STATE] | LogReader

export function readState<T>(environment: Environment, name: StateName): T | undefined {
  return parsed<T>(environment.state.get(Buffer.from(name)))
}

export function writeState(environment: Environment, name: StateName, value: unknown): undefined {
  environment.state.putSync(Buffer.from(name), JSON.stringify(value))
}

export function readTable(environment: Environment, name: string): TableRecord | undefined {
  return parsed<TableRecord>(environment.tables.get(Buffer.from(name)))
}

export function* readTables(environment: Environment): Generator<[name: string, record: TableRecord]> {
  // A name begins with a byte of UTF-8, which is below 255.
  for (const { key, value } of environment.tables.getRange({ start: Buffer.of(0), end: Buffer.of(255) })) {
    yield [key.toString('utf8'), JSON.parse(value) as TableRecord]
  }
}

export function viewOfTable(table: string, { documents, indexes }: TableRecord): TableView {
  return { table, documents, indexes: indexes.map(index => viewOfIndex(index, documents)) }
}

export function viewOfIndex({ field, state, done }: IndexRecord, documents: number): IndexView {
  return { field, state, documents: state === 'ready' ? documents : done }
}

function parsed<T>(text: string | undefined): T | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as T)
}
