/**
 * Requests from an OpenAPI document: for each operation, parameters and a body that usually match its schemas, and
 * sometimes do not: a value of another type, a name that resolves elsewhere, text that is not JSON, an invalid media
 * type.
 */
import fc from 'fast-check'

/** The parts we use of OpenAPI 3.0's JSON schema. */
export interface Schema {
  type?: string
  enum?: unknown[]
  const?: unknown
  format?: string
  minimum?: number
  maximum?: number
  items?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  anyOf?: Schema[]
  oneOf?: Schema[]
}
interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema?: Schema
}
interface OpenApiOperation {
  operationId?: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema?: Schema }> }
  responses?: Record<string, { content?: Record<string, { schema?: Schema }> }>
}
export interface OpenApiDocument {
  paths: Record<string, Record<string, OpenApiOperation>>
  components?: { schemas?: Record<string, Schema> }
}

export interface Operation extends OpenApiOperation {
  method: string
  path: string
  name: string
}
export interface SentRequest {
  method: string
  path: string
  headers: Record<string, string>
  body?: string
}

export function operationsOf({ paths }: OpenApiDocument): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const name = `${method.toUpperCase()} ${path}`
      return { ...operation, method: method.toUpperCase(), path, name }
    }),
  )
}

const NASTY = fc.constantFrom(
  ...['', ' ', '.', '..', '../..', '/', '\\', '%', '%00', '\0', '\r\nx: y', '*', '>', 'a.b.c', "'", '"', '{', '[]'],
  ...['null', 'undefined', 'NaN', '-1', '0', '1e999', '9007199254740993', '1.5', 'true', 'constructor', '__proto__'],
  ...['/etc/passwd', '/dev/null', '/', 'file:///etc', 'http://127.0.0.1:1', 'ä😀', '\ud800', 'a'.repeat(600)],
)
const text = fc.oneof(NASTY, fc.string({ unit: 'binary', maxLength: 20 }), fc.string({ maxLength: 20 }))
const anything: fc.Arbitrary<unknown> = fc.oneof(text, fc.jsonValue(), fc.integer(), fc.double())

/** @param known values that name existing things */
export function requestsOf(operation: Operation, known: readonly string[]): fc.Arbitrary<SentRequest> {
  const { method, path, parameters = [], requestBody } = operation
  const placed = (place: Parameter['in']) => parameters.filter(parameter => parameter.in === place)
  const named = known.length === 0 ? text : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...known) }, text)
  const valueOf = ({ schema }: Parameter) => fc.oneof(named, likely(schema ?? {}, named).map(asText))
  return fc
    .record({
      path: fc.record(Object.fromEntries(placed('path').map(one => [one.name, fc.tuple(valueOf(one), escaping)]))),
      query: fc.oneof(
        { weight: 4, arbitrary: fc.record(Object.fromEntries(placed('query').map(one => [one.name, valueOf(one)])), { requiredKeys: [] }) }, // prettier-ignore
        fc.dictionary(text, text, { maxKeys: 3 }),
      ),
      isRepeated: fc.boolean(),
      headers: fc.record(Object.fromEntries(placed('header').map(one => [one.name, valueOf(one)])), {
        requiredKeys: [],
      }),
      extra: EXTRA_HEADERS,
      body: requestBody === undefined ? fc.constant(undefined) : bodiesOf(requestBody.content, named),
    })
    .map(made => {
      const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
        const [value, escape] = made.path[name]!
        return escape(value)
      })
      const pairs = Object.entries(made.query).map(([name, value]) => `${escaped(name)}=${escaped(value ?? '')}`)
      const query = (made.isRepeated ? [...pairs, ...pairs] : pairs).join('&')
      const headers = { ...made.extra, ...made.headers, ...(made.body && { 'content-type': made.body.type }) }
      return {
        method,
        path: query === '' ? filled : `${filled}?${query}`,
        headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, printable(value ?? '')])),
        ...(made.body && { body: made.body.text }),
      }
    })
}

/** A valid value, or any that a client can send. */
const escaping = fc.oneof(
  { weight: 4, arbitrary: fc.constant(escaped) },
  fc.constant((value: string) => value.replace(/[^\x21-\x7e]|[?#]/g, '') || 'x'),
)
const EXTRA_HEADERS = fc.record(
  {
    traceparent: text,
    tracestate: text,
    baggage: text,
    'x-event-depth': text,
    'if-match': text,
    'if-none-match': text,
    accept: text,
    range: fc.constant('bytes=0-1'),
    'content-encoding': fc.constantFrom('gzip', 'identity', 'x'),
    'last-event-id': text,
  },
  { requiredKeys: [] },
)

function bodiesOf(content: Record<string, { schema?: Schema }>, named: fc.Arbitrary<string>) {
  const types = Object.keys(content)
  const schema = content[types[0]!]!.schema ?? {}
  const type = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...types) },
    fc.constantFrom('text/plain', 'application/json; charset=utf-16', 'application/x-ndjson', 'x', 'multipart/form-data'), // prettier-ignore
  )
  const json = likely(schema, named).map(value => JSON.stringify(value) ?? '')
  const damaged = fc.tuple(json, fc.nat(40), fc.nat(4), text).map(([whole, at, count, put]) => {
    return whole.slice(0, at) + put + whole.slice(at + count)
  })
  const deep = fc.constantFrom('['.repeat(10_000), '{"a":'.repeat(200) + '1' + '}'.repeat(200), '{"a":1,"a":2}')
  const bodies = fc.oneof({ weight: 6, arbitrary: json }, { weight: 2, arbitrary: damaged }, text, deep)
  return fc.record({ type, text: bodies })
}

/** Usually of the schema. */
function likely(schema: Schema, named: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  return fc.oneof({ weight: 6, arbitrary: valuesOf(schema, named) }, anything)
}

function valuesOf(schema: Schema, named: fc.Arbitrary<string>): fc.Arbitrary<unknown> {
  if (schema.const !== undefined) return fc.constant(schema.const)
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return fc.oneof(...choices.map(choice => valuesOf(choice, named)))
  switch (schema.type) {
    case 'string':
      return schema.format === 'date-time' ? fc.date({ noInvalidDate: false }).map(asTime) : named
    case 'integer':
    case 'number': {
      const min = Math.ceil(schema.minimum ?? -5)
      return fc.oneof(fc.integer({ min, max: Math.max(min, Math.min(schema.maximum ?? 50, 50)) }), fc.double())
    }
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(likely(schema.items ?? {}, named), { maxLength: 4 })
    case 'object': {
      const entries = Object.entries(schema.properties ?? {}).map(([name, of]) => [name, likely(of, named)] as const)
      const required = (schema.required ?? []).filter(name => schema.properties?.[name] !== undefined)
      return fc.record(Object.fromEntries(entries), { requiredKeys: required })
    }
    default:
      return anything
  }
}

function asTime(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'Invalid Date' : date.toISOString()
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

function escaped(value: string): string {
  // Invalid text (a lone surrogate) becomes the replacement character.
  return encodeURIComponent(Buffer.from(value).toString())
}

/** Anything that a header may contain. */
function printable(value: string): string {
  return value.replace(/[^\x20-\x7e]/g, '')
}
