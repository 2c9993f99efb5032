/** What a document store is, and what every kind of one needs: names, fields, queries, the texts of documents. */
export { readCursor, writeCursor } from './cursor.ts'
export type * from './document-store.ts'
export { type FieldPath, parseFieldPath, valueAt } from './field-path.ts'
export { CommitNews, followLog, type LogPiece } from './follow-log.ts'
export { checkName, encodedName, NAME_LIMIT_BYTES, nameProblem } from './names.ts'
export { type Change, planWrites } from './plan-writes.ts'
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
export { eventText, readVersion, timeOfEvent } from './texts.ts'
