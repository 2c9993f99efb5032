/**
 * Fields of documents in SQL. Every value has three columns by which it is ordered like `compareValues` does: its kind, and
 * its number or its text. An index holds these, then the id, so that documents come out of it in their order.
 */
import type { FieldPath } from '../../documents/index.ts'
import { encodedKey, encodedString } from '../fields.ts'

/**
 * Characters of a text by which it is ordered: an entry of an index must fit a third of a page, with an id of 512 bytes.
 * The embedded store has such a limit as well.
 */
export const ORDERED_LENGTH = 300

export const KIND = { absent: 0, null: 1, false: 2, true: 3, number: 4, string: 5, compound: 6 } as const

export interface FieldSql {
  /** jsonb; of the document's own fields there is none. */
  json?: string
  /** NULL if it is none. */
  text: string
  kind: string
  number: string
  /** Its beginning. */
  start: string
}

export interface ValueKey {
  kind: number
  number: number
  start: string
}

export function fieldSql(field: FieldPath): FieldSql {
  if (field.kind === 'own') {
    if (field.field === 'version') {
      return { text: 'NULL::text', kind: own(KIND.number), number: 'd.version::float8', start: `''::text COLLATE "C"` }
    }
    const column = { id: 'd.id', createdAt: 'd.created_at', editedAt: 'd.edited_at' }[field.field]
    return { text: column, kind: own(KIND.string), number: '0::float8', start: startOf(column) }
  }
  const json = field.keys.reduce(at, 'd.fields')
  const type = `jsonb_typeof(${json})`
  const text = `(CASE WHEN ${type} = 'string' THEN ${json} #>> '{}' END) COLLATE "C"`
  return {
    json,
    text,
    kind:
      `(CASE ${type} WHEN 'string' THEN ${KIND.string} WHEN 'number' THEN ${KIND.number} ` +
      `WHEN 'boolean' THEN CASE WHEN ${json} = 'true' THEN ${KIND.true} ELSE ${KIND.false} END ` +
      `WHEN 'null' THEN ${KIND.null} WHEN 'array' THEN ${KIND.compound} WHEN 'object' THEN ${KIND.compound} ` +
      `ELSE ${KIND.absent} END)`,
    number: `(CASE WHEN ${type} = 'number' THEN (${json})::float8 ELSE 0 END)`,
    start: `coalesce(${startOf(text)}, '')`,
  }
}

/** The columns of the index on a field. */
export function indexColumns(field: FieldPath): string {
  const { kind, number, start } = fieldSql(field)
  return [kind, number, start, 'd.id'].map(column => `(${column.replaceAll('d.', '')})`).join(', ')
}

/** @param value a number or text among others: of what is compared, only the kind counts */
export function keyOfValue(value: unknown): ValueKey {
  const none = { number: 0, start: '' }
  switch (typeof value) {
    case 'number':
      return { ...none, kind: KIND.number, number: value }
    case 'string':
      return { ...none, kind: KIND.string, start: startOfText(value) }
    case 'boolean':
      return { ...none, kind: value ? KIND.true : KIND.false }
    default:
      return { ...none, kind: value === null ? KIND.null : KIND.compound }
  }
}

export function literal(text: string): string {
  return text.includes('\\')
    ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`
}

/** With its type: a mere number in ORDER BY would be the place of a column. */
function own(kind: number): string {
  return `${kind}::int`
}

function startOf(text: string): string {
  return `left(${text}, ${ORDERED_LENGTH}) COLLATE "C"`
}

/** As PostgreSQL's `left` counts: by code points. */
export function startOfText(text: string): string {
  const encoded = encodedString(text)
  return encoded.length <= ORDERED_LENGTH ? encoded : [...encoded].slice(0, ORDERED_LENGTH).join('')
}

/** Only `0`, `1`, … are places in a list; `#>` would take `01` and `-1` too, and `->` looks into objects alone. */
const PLACE = /^(?:0|[1-9]\d{0,8})$/

function at(json: string, key: string): string {
  return PLACE.test(key) ? `(${json} #> '{${key}}')` : `(${json} -> ${literal(encodedKey(key))})`
}
