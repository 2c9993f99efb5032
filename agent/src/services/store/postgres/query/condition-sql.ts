/**
 * Conditions in SQL. Invariant: what matches is found. Where SQL finds more (see `fields.ts`), `isExact` is false, and what was found is
 * looked at again.
 */
import type { Condition } from '../../documents/index.ts'
import { encodedString, fieldsValue, isPlain } from '../fields.ts'
import { type FieldSql, fieldSql, KIND, keyOfValue } from './field-sql.ts'

export interface ConditionSql {
  sql: string
  isExact: boolean
}

/** @param parameter adds a value, and returns its place in the statement */
export type Parameter = (value: unknown, type: string) => string

export function conditionSql(condition: Condition, parameter: Parameter): ConditionSql {
  const field = fieldSql(condition.field)
  switch (condition.operator) {
    case '=':
      return equals(field, condition.value, parameter)
    case '!=': {
      const { value } = condition
      // SQL may take for equal what is not: then it cannot be left to it.
      if (!isSure(value)) return { sql: 'true', isExact: false }
      return { sql: `NOT coalesce(${equals(field, value, parameter).sql}, false)`, isExact: true }
    }
    case 'in': {
      const parts = condition.value.map(value => equals(field, value, parameter))
      if (parts.length === 0) return { sql: 'false', isExact: true }
      return { sql: `(${parts.map(({ sql }) => sql).join(' OR ')})`, isExact: parts.every(({ isExact }) => isExact) }
    }
    case '<':
    case '<=':
    case '>':
    case '>=':
      return compared(field, condition, parameter)
    case 'contains':
      return contains(field, condition.value, parameter)
    case 'exists':
      return { sql: `${field.kind} ${condition.value ? '<>' : '='} ${KIND.absent}`, isExact: true }
  }
}

function equals(field: FieldSql, value: unknown, parameter: Parameter): ConditionSql {
  const key = keyOfValue(value)
  // A document's own fields are numbers and texts.
  if (field.json === undefined && key.kind === KIND.compound) return { sql: 'false', isExact: true }
  // All three, so that what an index has of one value comes in the order of its ids.
  const same =
    `${field.kind} = ${key.kind} AND ${field.number} = ${parameter(key.number, 'float8')} ` +
    `AND ${field.start} = ${parameter(key.start, 'text')}`
  if (typeof value === 'string') {
    return { sql: `(${same} AND ${field.text} = ${parameter(encodedString(value), 'text')})`, isExact: isPlain(value) }
  }
  if (typeof value !== 'object' || value === null) return { sql: `(${same})`, isExact: true }
  return { sql: `(${same} AND ${field.json} = ${parameter(fieldsValue(value), 'jsonb')})`, isExact: false }
}

function isSure(value: unknown): boolean {
  if (typeof value === 'string') return isPlain(value)
  return typeof value !== 'object' || value === null
}

function compared(
  field: FieldSql,
  { operator, value }: { operator: string; value: number | string },
  parameter: Parameter,
): ConditionSql {
  if (typeof value === 'number') {
    const bound = `${field.number} ${operator} ${parameter(value, 'float8')}`
    return { sql: `(${field.kind} = ${KIND.number} AND ${bound})`, isExact: true }
  }
  const { start } = keyOfValue(value)
  // The first part is for an index: no text has its place before its beginning.
  const rough = `${field.start} ${operator.startsWith('<') ? '<=' : '>='} ${parameter(start, 'text')}`
  const exact = `${field.text} ${operator} ${parameter(encodedString(value), 'text')}`
  return { sql: `(${field.kind} = ${KIND.string} AND ${rough} AND ${exact})`, isExact: true }
}

function contains({ json, text }: FieldSql, value: unknown, parameter: Parameter): ConditionSql {
  const inText = typeof value === 'string' ? `strpos(${text}, ${parameter(encodedString(value), 'text')}) > 0` : 'false'
  if (json === undefined) return { sql: `coalesce(${inText}, false)`, isExact: isSure(value) }
  const element = parameter(fieldsValue([value]), 'jsonb')
  const inList = `(jsonb_typeof(${json}) = 'array' AND ${json} @> ${element})`
  return { sql: `coalesce(${inText} OR ${inList}, ${inList}, false)`, isExact: isSure(value) }
}
