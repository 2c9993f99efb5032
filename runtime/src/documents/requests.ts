/** Reads the inputs of routes. Checked by hand: better messages than a schema, and cheaper for the hot routes. */
import { checkName } from './names.ts'
import { StoreError } from './store-error.ts'

export interface TableParams {
  table: string
}

export interface DocumentParams extends TableParams {
  id: string
}

/** @throws StoreError INVALID_NAME */
export function tableOf({ table }: TableParams): string {
  return checkName('table', table)
}

/** The body as an object with only these keys. @throws StoreError INVALID_REQUEST */
export function objectBody(body: unknown, keys: readonly string[]): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new StoreError('INVALID_REQUEST', `the body must be an object with ${listed(keys)}`)
  }
  for (const key in body) {
    if (!keys.includes(key)) {
      throw new StoreError('INVALID_REQUEST', `the body has ${JSON.stringify(key)}; it takes ${listed(keys)}`)
    }
  }
  return body as Record<string, unknown>
}

/** `data` of a body, as JSON text. @throws StoreError INVALID_REQUEST */
export function dataOf(body: Record<string, unknown>): string {
  if (!Object.hasOwn(body, 'data')) throw new StoreError('INVALID_REQUEST', 'the body has no "data"')
  return JSON.stringify(body['data'])
}

/** @throws StoreError INVALID_REQUEST, INVALID_NAME */
export function idOf(body: Record<string, unknown>): string | undefined {
  const { id } = body
  if (id === undefined) return undefined
  if (typeof id !== 'string') throw new StoreError('INVALID_REQUEST', '"id" must be a string')
  return checkName('id', id)
}

/** Query parameters with one value each. @throws StoreError INVALID_QUERY for one that is unknown or repeated */
export function singleParameters<Name extends string>(
  query: unknown,
  names: readonly Name[],
): Partial<Record<Name, string>> {
  const result: Partial<Record<Name, string>> = {}
  for (const [name, value] of Object.entries(query as Record<string, string | string[]>)) {
    if (!names.includes(name as Name)) {
      throw new StoreError(
        'INVALID_QUERY',
        `unknown parameter ${JSON.stringify(name)}; the parameters here are ${listed(names)}`,
      )
    }
    if (typeof value !== 'string') throw new StoreError('INVALID_QUERY', `${name} is given more than once`)
    result[name as Name] = value
  }
  return result
}

/** @throws StoreError INVALID_QUERY */
export function wholeNumber(name: string, text: string, { least, most }: { least: number; most: number }): number {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  throw new StoreError('INVALID_QUERY', `${name} must be a whole number from ${least} to ${most}`)
}

/** @throws StoreError INVALID_QUERY */
export function flag(name: string, text: string | undefined): boolean {
  if (text === undefined || text === 'false') return false
  if (text === 'true' || text === '') return true
  throw new StoreError('INVALID_QUERY', `${name} must be true or false`)
}

export function listed(names: readonly string[]): string {
  return names.map(name => JSON.stringify(name)).join(', ')
}
