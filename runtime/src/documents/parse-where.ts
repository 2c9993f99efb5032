/**
 * Reads conditions, in either of two forms.
 *
 *     {"customer.city":"Kiel","amount":{">=":10,"<":20},"tags":{"contains":"new"}}
 *     customer.city = Kiel and amount >= 10 and amount < 20 and tags contains new and email exists
 *
 * The first is JSON: field → value, or operators with values. The second is for people: a value is JSON, or a word
 * without spaces that stands for itself; `exists` may stand alone.
 */
import { parseFieldPath } from './field-path.ts'
import { type Condition, type Operator, OPERATORS } from './query.ts'
import { StoreError } from './store-error.ts'

const MOST_CONDITIONS = 50
const LONGEST_WHERE = 32_768

/** @throws StoreError INVALID_QUERY, UNKNOWN_OPERATOR */
export function parseWhere(text: string): Condition[] {
  if (text.length > LONGEST_WHERE) throw invalid(`is longer than ${LONGEST_WHERE} characters`)
  const conditions = text.trimStart().startsWith('{') ? parseObject(text) : parseText(text)
  if (conditions.length > MOST_CONDITIONS) throw invalid(`has more than ${MOST_CONDITIONS} conditions`)
  return conditions
}

function parseObject(text: string): Condition[] {
  let where: object
  try {
    where = JSON.parse(text) as object
  } catch (error) {
    throw invalid(`is not JSON: ${(error as Error).message}`, error)
  }
  return Object.entries(where).flatMap(([field, value]: [string, unknown]) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [condition(field, '=', value)]
    const entries = Object.entries(value)
    if (entries.length === 0) throw invalid(`says nothing of ${JSON.stringify(field)}`)
    return entries.map(([operator, operand]) => condition(field, operator, operand))
  })
}

const TOKEN = /\s*(?:("(?:[^"\\]|\\.)*")|(!=|<=|>=|==|<>|[=<>!]=?)|([^\s=<>!"[\]{}]+))/y

function parseText(text: string): Condition[] {
  const conditions: Condition[] = []
  let at = 0
  const token = (what: string): string => {
    TOKEN.lastIndex = at
    const found = TOKEN.exec(text)
    if (found === null) throw invalid(`lacks ${what} at ${place(text, at)}`)
    at = TOKEN.lastIndex
    return found[1] ?? found[2] ?? found[3]!
  }
  const isOver = () => text.slice(at).trim() === ''
  const isAnd = () => /^\s+and\s/i.test(text.slice(at))
  do {
    const field = unquoted(token('a field'))
    const operator = token('an operator')
    if (operator === 'exists' && (isOver() || isAnd())) {
      conditions.push(condition(field, operator, true))
    } else {
      const { value, end } = readValue(text, at)
      at = end
      conditions.push(condition(field, operator, value))
    }
    if (isOver()) return conditions
    if (!isAnd()) throw invalid(`lacks "and" at ${place(text, at)}`)
    at += text.slice(at).search(/and/i) + 3
  } while (!isOver())
  throw invalid('ends in "and"')
}

function unquoted(field: string): string {
  return field.startsWith('"') ? String(parsedOr(field, field)) : field
}

/** A JSON value that may have spaces in it, or one word. */
function readValue(text: string, at: number): { value: unknown; end: number } {
  const start = at + text.slice(at).search(/\S|$/)
  if (start >= text.length) throw invalid(`lacks a value at ${place(text, at)}`)
  if (/["[{]/.test(text[start]!)) {
    const end = endOfJson(text, start)
    try {
      return { value: JSON.parse(text.slice(start, end)) as unknown, end }
    } catch (error) {
      throw invalid(`has a value that is not JSON at ${place(text, start)}`, error)
    }
  }
  const word = /^\S+/.exec(text.slice(start))![0]
  return { value: parsedOr(word, word), end: start + word.length }
}

/** The end of the string, list or object that begins at `start`. */
function endOfJson(text: string, start: number): number {
  let depth = 0
  let isInString = false
  for (let at = start; at < text.length; at += 1) {
    const char = text[at]!
    if (isInString && char === '\\') at += 1
    else if (char === '"') isInString = !isInString
    else if (!isInString && (char === '[' || char === '{')) depth += 1
    else if (!isInString && (char === ']' || char === '}')) depth -= 1
    if (!isInString && depth === 0) return at + 1
  }
  return text.length
}

function parsedOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return otherwise // Not JSON: it stands for itself.
  }
}

function condition(name: string, operator: string, value: unknown): Condition {
  const field = parseFieldPath(name)
  if (!OPERATORS.includes(operator as Operator)) {
    throw new StoreError(
      'UNKNOWN_OPERATOR',
      `${JSON.stringify(operator)} is not an operator; the operators are ${OPERATORS.join(' ')}. An object is compared with {"=":{…}}.`,
    )
  }
  const known = operator as Operator
  switch (known) {
    case '<':
    case '<=':
    case '>':
    case '>=':
      if (typeof value !== 'number' && typeof value !== 'string') {
        throw invalid(`compares ${field.path} with neither a number nor a string`)
      }
      return { field, operator: known, value }
    case 'in':
      if (!Array.isArray(value)) throw invalid(`has an "in" on ${field.path} without a list`)
      return { field, operator: known, value }
    case 'exists':
      if (typeof value !== 'boolean') throw invalid(`has an "exists" on ${field.path} that is neither true nor false`)
      return { field, operator: known, value }
    case '=':
    case '!=':
    case 'contains':
      return { field, operator: known, value }
  }
}

function place(text: string, at: number): string {
  return at >= text.length ? 'its end' : `${at}: ${JSON.stringify(text.slice(at, at + 20))}`
}

function invalid(problem: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_QUERY', `where ${problem}`, cause === undefined ? {} : { cause })
}
