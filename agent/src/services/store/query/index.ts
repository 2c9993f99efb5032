/** Queries: how they are read, planned and answered. */
export { parseWhere } from './parse-where.ts'
export type { Order } from './plan-query.ts'
export { runQuery } from './run-query.ts'
