/** The engine: documents, indexes and the log, on disk. */
export type { Backup } from './backup.ts'
export type {
  DocumentStore,
  ImportOperation,
  LogEntry,
  Precondition,
  ScanEntry,
  ScanPosition,
  TableView,
  WriteContext,
  WriteOperation,
  WriteOutcome,
  Written,
} from './document-store.ts'
export { openEnvironment } from './environment.ts'
export { type FieldPath, parseFieldPath, valueAt } from './field-path.ts'
export { LmdbStore } from './lmdb-store.ts'
export { checkName, encodedName, NAME_LIMIT_BYTES, nameProblem } from './names.ts'
export { endOfType, justAfter, orderKey, startOfType } from './order-key.ts'
export { Reader } from './reader.ts'
export { STATE } from './table-records.ts'
export { timeOfEvent } from './texts.ts'
export { startThread } from './thread-executor.ts'
