/**
 * Legal names of tables and documents: any Unicode text of 1 to 512 bytes in UTF-8, without control characters, lone
 * surrogates and the two that paths treat in their own way. Names are compared by their code points: what looks alike
 * but is composed differently (NFC, NFD) is different.
 */
import { StoreError } from './store-error.ts'

export const NAME_LIMIT_BYTES = 512

/** Control characters (C0, DEL, C1) and surrogates without their other half. */
const FORBIDDEN = /[\p{Cc}\p{Cs}]/u
/** Most names: no further checks, and no escaping in JSON and URIs. */
const PLAIN = /^[A-Za-z0-9_-]{1,170}$/

/** What is wrong with a name, or `undefined`. */
export function nameProblem(name: string): string | undefined {
  if (PLAIN.test(name)) return undefined
  if (name === '') return 'is empty'
  if (name === '.' || name === '..') return 'must not be "." or ".."'
  if (Buffer.byteLength(name) > NAME_LIMIT_BYTES) return `is longer than ${NAME_LIMIT_BYTES} bytes`
  if (FORBIDDEN.test(name)) return 'has a control character or half of a surrogate pair'
  return undefined
}

/** @throws StoreError INVALID_NAME */
export function checkName(what: 'table' | 'id', name: string): string {
  const problem = nameProblem(name)
  if (problem !== undefined) {
    throw new StoreError('INVALID_NAME', `the ${what === 'id' ? 'document id' : 'table name'} ${problem}`)
  }
  return name
}

/** As a JSON string. */
export function quotedName(name: string): string {
  return PLAIN.test(name) ? `"${name}"` : JSON.stringify(name)
}

/** As a segment of a URI's path. */
export function encodedName(name: string): string {
  return PLAIN.test(name) ? name : encodeURIComponent(name)
}
