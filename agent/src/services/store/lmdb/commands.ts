/** What a writing thread is told, and what it answers. Plain data, as it crosses threads (see `packing.ts`). */
import type { ErrorDetails, StoreErrorCode } from '@ryo-faas/runtime/documents'
import type { IndexView, WriteContext, WriteOperation, WriteOutcome } from '../documents/index.ts'
import type { StateName } from './table-records.ts'

export type Command =
  | { type: 'write'; operations: readonly WriteOperation[]; context: WriteContext }
  | { type: 'declare-index'; table: string; field: string }
  | { type: 'drop-index'; table: string; field: string }
  | { type: 'drop-table'; table: string }
  | { type: 'trim'; before: string; through: number }
  | { type: 'save-state'; name: StateName; value: unknown }

export interface Results {
  write: WriteOutcome
  'declare-index': IndexView
  'drop-index': undefined
  'drop-table': undefined
  /** How many events were removed. */
  trim: number
  'save-state': undefined
}

export type Answer =
  | { type: 'done'; result: Results[Command['type']] }
  | { type: 'failed'; code: StoreErrorCode; message: string; details: ErrorDetails }

/** Answers of a group of commands that were committed together. */
export interface Committed {
  answers: Answer[]
  /** Sequence of the last event in the log. */
  sequence: number
}
