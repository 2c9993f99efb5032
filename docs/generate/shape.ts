/** JSON schemas as TypeScript types, the shortest way to show a shape to a reader. */
import { z } from 'zod'
import type { Schema } from './open-api.ts'

/** The name of a shape that the page describes elsewhere; undefined: it is written where it is used. */
export type NameOf = (schema: Schema) => string | undefined

const LINE_LENGTH = 72
const SAFE = Number.MAX_SAFE_INTEGER

export function shapeOf(schema: Schema, nameOf: NameOf = () => undefined, indent = ''): string {
  const name = schema.$ref?.split('/').pop() ?? nameOf(schema)
  if (name !== undefined) return name
  const text = plainShape(schema, nameOf, indent)
  return schema.nullable && text !== 'null' ? `${text} | null` : text
}

function plainShape(schema: Schema, nameOf: NameOf, indent: string): string {
  const inside = (inner: Schema) => shapeOf(inner, nameOf, indent)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum) return schema.enum.map(value => JSON.stringify(value)).join(' | ')
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return [...new Set(choices.map(inside))].join(' | ')
  if (schema.allOf) return schema.allOf.map(inside).join(' & ')
  if (schema.type === 'array') return arrayOf(schema.items, inside)
  if (schema.properties) return objectOf(schema, nameOf, indent)
  if (typeof schema.additionalProperties === 'object' && Object.keys(schema.additionalProperties).length > 0)
    return `Record<string, ${inside(schema.additionalProperties)}>`
  if (schema.type === 'object') return 'object'
  return schema.type === 'integer' ? 'number' : (schema.type ?? 'unknown')
}

function arrayOf(items: Schema | Schema[] | undefined, inside: (schema: Schema) => string): string {
  if (items === undefined) return 'unknown[]'
  if (Array.isArray(items)) return `[${items.map(inside).join(', ')}]`
  const item = inside(items)
  return item.includes(' | ') && !item.startsWith('{') ? `(${item})[]` : `${item}[]`
}

function objectOf({ properties = {}, required = [] }: Schema, nameOf: NameOf, indent: string): string {
  const fields = Object.entries(properties).map(([key, value]) => {
    const optional = required.includes(key) ? '' : '?'
    return { about: value.description, field: `${key}${optional}: ${shapeOf(value, nameOf, indent + '  ')}` }
  })
  if (fields.length === 0) return '{}'
  const line = `{ ${fields.map(({ field }) => field).join('; ')} }`
  if (line.length <= LINE_LENGTH && !line.includes('\n') && fields.every(({ about }) => about === undefined))
    return line
  const lines = fields.flatMap(({ about, field }) => [...(about === undefined ? [] : [`// ${about}`]), field])
  return `{\n${lines.map(text => `${indent}  ${text}`).join('\n')}\n${indent}}`
}

/** What a value must be, in words: `1 to 100`, `at least 1`. */
export function boundsOf({ minimum, maximum, minLength, format }: Schema): string {
  const low = minimum === undefined || minimum <= -SAFE ? undefined : minimum
  const high = maximum === undefined || maximum >= SAFE ? undefined : maximum
  if (low !== undefined && high !== undefined) return `${low} to ${high}`
  if (low !== undefined) return `at least ${low}`
  if (high !== undefined) return `at most ${high}`
  if (format === 'date-time') return 'ISO 8601'
  return minLength === 1 ? 'not empty' : ''
}

/** Finds the name under which a module exports the schema of a shape. */
export function namesOf(module: Record<string, unknown>): NameOf {
  const names = new Map<string, string>()
  for (const [name, value] of Object.entries(module)) {
    if (!(value instanceof z.ZodType)) continue
    const schema = asJson(value)
    if (schema !== undefined && isLarge(schema)) names.set(keyOf(schema), name.replace(/Answer$/, ''))
  }
  return schema => (isLarge(schema) ? names.get(keyOf(schema)) : undefined)
}

function asJson(type: z.ZodType): Schema | undefined {
  try {
    return z.toJSONSchema(type, { target: 'openapi-3.0', io: 'output' }) as Schema
  } catch {
    return undefined // A type that JSON does not have, such as a transformation.
  }
}

/** A name for less than this hides more than it says. */
function isLarge({ properties, anyOf, oneOf }: Schema): boolean {
  return Object.keys(properties ?? {}).length >= 4 || (anyOf ?? oneOf ?? []).some(one => one.properties !== undefined)
}

/** What two schemas of one shape have in common, however they were made. */
function keyOf(schema: Schema): string {
  return JSON.stringify(schema, (key, value: unknown) => {
    if (['$schema', 'pattern', 'description', 'maximum', 'minimum', 'additionalProperties'].includes(key)) return
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}
