/**
 * The rules of the JSON store: names, fields, queries, what a write does, errors, and how all of it is written down.
 * The platform's store and the one of the test kit are made of them. They depend on Node alone.
 */
export { batchText, readBatch } from './batch.ts'
export { readCursor, writeCursor } from './cursor.ts'
export { type FieldPath, parseFieldPath, valueAt } from './field-path.ts'
export { checkKeepable, DEPTH_LIMIT } from './keepable.ts'
export { MemoryData, MemoryDocuments, type MemoryOptions, type MemoryTable } from './memory-documents.ts'
export { checkName, encodedName, NAME_LIMIT_BYTES, nameProblem } from './names.ts'
export { type Change, planWrites } from './plan-writes.ts'
export { etagOf, isKnown, preconditionOf } from './preconditions.ts'
export {
  compareValues,
  type Condition,
  matches,
  type Operator,
  OPERATORS,
  type Order,
  type Page,
  type Query,
} from './query.ts'
export { pageText, readQuery } from './read-query.ts'
export {
  dataOf,
  type DocumentParams,
  flag,
  idOf,
  listed,
  objectBody,
  singleParameters,
  tableOf,
  type TableParams,
  wholeNumber,
} from './requests.ts'
export { type ErrorDetails, STORE_ERRORS, StoreError, type StoreErrorCode } from './store-error.ts'
export { eventText, readCreatedAt, readData, readEditedAt, readVersion, timeOfEvent } from './texts.ts'
export { GrowingUlids, timeOfUlid, ULID_CHANCE_BYTES, ulidOf } from './ulid.ts'
export {
  documentPath,
  type FoundDocument,
  type ImportOperation,
  type Precondition,
  type WriteContext,
  type WriteOperation,
  type WriteOutcome,
  type Written,
  writtenOf,
} from './writes.ts'
