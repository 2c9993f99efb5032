/**
 * Queries as data, and what they mean. All conditions must hold. Values of different types are never less or greater
 * than each other; `!=` is true whenever `=` is not, so also where the field is absent.
 */
import { isDeepStrictEqual } from 'node:util'
import type { StoredDocument } from '../protocol/index.ts'
import { type FieldPath, valueAt } from './field-path.ts'

export const OPERATORS = ['=', '!=', '<', '<=', '>', '>=', 'in', 'contains', 'exists'] as const
export type Operator = (typeof OPERATORS)[number]

export type Condition = { field: FieldPath } & (
  | { operator: '=' | '!=' | 'contains'; value: unknown }
  | { operator: '<' | '<=' | '>' | '>='; value: number | string }
  | { operator: 'in'; value: readonly unknown[] }
  | { operator: 'exists'; value: boolean }
)

export interface Order {
  field: FieldPath
  isDescending: boolean
}

export interface Query {
  table: string
  conditions: readonly Condition[]
  /** By `compareValues`, then by id, both in this direction. Without it any order that is the same on every page. */
  orderBy?: Order
  /** Most documents of a page. It may end earlier, if they are large. */
  limit: number
  /** Where the page begins: what the page before said. */
  cursor?: string
}

export interface Page {
  /** JSON texts. */
  documents: string[]
  /** Absent after the last page. */
  cursor?: string
}

export function matches(document: StoredDocument, conditions: readonly Condition[]): boolean {
  return conditions.every(condition => holds(condition, valueAt(document, condition.field)))
}

/** Absent < null < false < true < numbers < strings, by code points < arrays and objects, which are all the same. */
export function compareValues(one: unknown, other: unknown): number {
  if (typeof one === 'number' && typeof other === 'number') return one - other
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other))
  return rankOf(one) - rankOf(other)
}

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'undefined':
      return 0
    case 'boolean':
      return value ? 3 : 2
    case 'number':
      return 4
    case 'string':
      return 5
    default:
      return value === null ? 1 : 6
  }
}

function holds(condition: Condition, actual: unknown): boolean {
  switch (condition.operator) {
    case '=':
      return actual !== undefined && isEqual(actual, condition.value)
    case '!=':
      return actual === undefined || !isEqual(actual, condition.value)
    case '<':
      return orderOf(actual, condition.value) < 0
    case '<=':
      return orderOf(actual, condition.value) <= 0
    case '>':
      return orderOf(actual, condition.value) > 0
    case '>=':
      return orderOf(actual, condition.value) >= 0
    case 'in':
      return actual !== undefined && condition.value.some(value => isEqual(actual, value))
    case 'contains':
      return contains(actual, condition.value)
    case 'exists':
      return (actual !== undefined) === condition.value
  }
}

/** Neither less nor greater nor equal if their types differ. */
function orderOf(one: unknown, other: unknown): number {
  return typeof one === typeof other ? compareValues(one, other) : NaN
}

/** A part of a text, or an element of a list. */
function contains(actual: unknown, value: unknown): boolean {
  if (typeof actual === 'string') return typeof value === 'string' && actual.includes(value)
  return Array.isArray(actual) && actual.some(element => isEqual(element, value))
}

function isEqual(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === 'object' && one !== null && isDeepStrictEqual(one, other))
}
