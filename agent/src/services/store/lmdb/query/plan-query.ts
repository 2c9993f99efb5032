/**
 * How a query is answered: which part of the table is looked at, in which order, and whether what is found has to be
 * sorted. An index serves if the query fixes its field to a value or a range, or wants the order of its field.
 */
import type { Condition, Order, Query, TableView } from '../../documents/index.ts'
import { endOfType, justAfter, orderKey, startOfType } from '../order-key.ts'

/** Bytes of the index's value; `to` is not part of it. */
export interface Range {
  from?: Uint8Array
  to?: Uint8Array
}

export interface QueryPlan {
  /** Field of the index; the ids if there is none. */
  index: string | undefined
  /** One after the other; exactly one without an index. */
  ranges: Range[]
  isDescending: boolean
  /** They do not come in the order that is wanted: the first of it have to be sought out among all. */
  sort: Order | undefined
}

const WHOLE: Range = {}

export function planQuery({ conditions, orderBy }: Query, table: TableView | undefined): QueryPlan {
  const ready = new Set((table?.indexes ?? []).filter(({ state }) => state === 'ready').map(({ field }) => field))
  const isDescending = orderBy?.isDescending ?? false
  const ordered = orderBy && ready.has(orderBy.field.path) ? orderBy.field.path : undefined
  const byId = orderBy?.field.path === '$id'

  const fixed = conditions.find(
    ({ field, operator }) => ready.has(field.path) && (operator === '=' || operator === 'in'),
  )
  if (fixed !== undefined) {
    const ranges = pointsOf(fixed)
    const { path } = fixed.field
    if (isDescending) ranges.reverse()
    // Within one value they lie in the order of their ids.
    const isSorted = orderBy === undefined || ordered === path || (byId && ranges.length <= 1)
    return { index: path, ranges, isDescending, sort: isSorted ? undefined : orderBy }
  }
  const bounded = conditions.filter(({ field, operator }) => ready.has(field.path) && isBound(operator))
  const bounds = bounded.filter(({ field }) => field.path === (ordered ?? bounded[0]?.field.path))
  if (bounds.length > 0) {
    const { path } = bounds[0]!.field
    const range = bounds.map(boundsOf).reduce(intersect)
    return { index: path, ranges: [range], isDescending, sort: orderBy && ordered !== path ? orderBy : undefined }
  }
  if (ordered !== undefined) return { index: ordered, ranges: [WHOLE], isDescending, sort: undefined }
  return { index: undefined, ranges: [WHOLE], isDescending, sort: byId ? undefined : orderBy }
}

/** The values of `=` or `in`, each once and in their order. */
function pointsOf(condition: Condition): Range[] {
  const values = condition.operator === 'in' ? condition.value : [condition.value]
  const keys = values.map(value => Buffer.from(orderKey(value))).sort(Buffer.compare)
  const distinct = keys.filter((key, at) => at === 0 || !key.equals(keys[at - 1]!))
  return distinct.map(key => ({ from: key, to: justAfter(key) }))
}

function isBound(operator: string): boolean {
  return operator === '<' || operator === '<=' || operator === '>' || operator === '>='
}

/** A bit wider than the condition where long strings have one key; the condition itself is checked anyway. */
function boundsOf(condition: Condition): Range {
  const value = condition.value as number | string
  const key = orderKey(value)
  return condition.operator.startsWith('<')
    ? { from: startOfType(value), to: justAfter(key) }
    : { from: key, to: endOfType(value) }
}

function intersect(one: Range, other: Range): Range {
  return {
    from: Buffer.compare(one.from!, other.from!) > 0 ? one.from! : other.from!,
    to: Buffer.compare(one.to!, other.to!) < 0 ? one.to! : other.to!,
  }
}
