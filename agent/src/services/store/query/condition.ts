/**
 * Conditions on documents: all of a list must hold. Values of different types are never less or greater than each other;
 * strings compare by code points. `!=` is true whenever `=` is not, so also where the field is absent.
 */
import { isDeepStrictEqual } from 'node:util'
import type { StoredDocument } from '@ryo-faas/runtime/protocol'
import { type FieldPath, valueAt } from '../engine/index.ts'

export const OPERATORS = ['=', '!=', '<', '<=', '>', '>=', 'in', 'contains', 'exists'] as const
export type Operator = (typeof OPERATORS)[number]

export type Condition = { field: FieldPath } & (
  | { operator: '=' | '!=' | 'contains'; value: unknown }
  | { operator: '<' | '<=' | '>' | '>='; value: number | string }
  | { operator: 'in'; value: readonly unknown[] }
  | { operator: 'exists'; value: boolean }
)

export function matches(document: StoredDocument, conditions: readonly Condition[]): boolean {
  return conditions.every(condition => holds(condition, valueAt(document, condition.field)))
}

function holds(condition: Condition, actual: unknown): boolean {
  switch (condition.operator) {
    case '=':
      return actual !== undefined && isEqual(actual, condition.value)
    case '!=':
      return actual === undefined || !isEqual(actual, condition.value)
    case '<':
    case '<=':
    case '>':
    case '>=':
      return typeof actual === typeof condition.value && isInOrder(condition, actual as number | string)
    case 'in':
      return actual !== undefined && condition.value.some(value => isEqual(actual, value))
    case 'contains':
      return contains(actual, condition.value)
    case 'exists':
      return (actual !== undefined) === condition.value
  }
}

function isInOrder(
  { operator, value }: { operator: '<' | '<=' | '>' | '>='; value: number | string },
  actual: number | string,
): boolean {
  const order = compare(actual, value)
  switch (operator) {
    case '<':
      return order < 0
    case '<=':
      return order <= 0
    case '>':
      return order > 0
    case '>=':
      return order >= 0
  }
}

function compare(one: number | string, other: number | string): number {
  if (typeof one === 'string' && typeof other === 'string') return Buffer.compare(Buffer.from(one), Buffer.from(other))
  return Number(one) - Number(other)
}

/** A part of a text, or an element of a list. */
function contains(actual: unknown, value: unknown): boolean {
  if (typeof actual === 'string') return typeof value === 'string' && actual.includes(value)
  return Array.isArray(actual) && actual.some(element => isEqual(element, value))
}

function isEqual(one: unknown, other: unknown): boolean {
  return one === other || (typeof one === 'object' && one !== null && isDeepStrictEqual(one, other))
}
