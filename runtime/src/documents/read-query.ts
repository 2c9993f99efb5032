/** Queries as parameters of a URL, and their answer. */
import { parseFieldPath } from './field-path.ts'
import { parseWhere } from './parse-where.ts'
import type { Order, Page, Query } from './query.ts'
import { singleParameters, wholeNumber } from './requests.ts'

const DEFAULT_LIMIT = 100
const MOST_LIMIT = 1_000

/** @throws StoreError INVALID_QUERY, UNKNOWN_OPERATOR */
export function readQuery(table: string, parameters: Record<string, string | string[]>): Query {
  const { where, ...others } = parameters
  const { orderBy, limit, cursor } = singleParameters(others, ['orderBy', 'limit', 'cursor'])
  return {
    table,
    conditions: where === undefined ? [] : [where].flat().flatMap(parseWhere),
    limit: limit === undefined ? DEFAULT_LIMIT : wholeNumber('limit', limit, { least: 1, most: MOST_LIMIT }),
    ...(orderBy !== undefined && { orderBy: parseOrder(orderBy) }),
    ...(cursor !== undefined && { cursor }),
  }
}

export function pageText({ documents, cursor }: Page): string {
  const next = cursor === undefined ? '' : `,"cursor":${JSON.stringify(cursor)}`
  return `{"documents":[${documents.join()}]${next}}`
}

function parseOrder(text: string): Order {
  const isDescending = text.startsWith('-')
  return { field: parseFieldPath(isDescending ? text.slice(1) : text), isDescending }
}
