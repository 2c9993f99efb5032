/** Conditional requests (RFC 9110, 13.1). An ETag is the document's version in quotes; there are no weak ones. */
import { StoreError } from './store-error.ts'
import type { Precondition } from './writes.ts'

export interface ConditionHeaders {
  'if-match'?: string | undefined
  'if-none-match'?: string | undefined
}

export function etagOf(version: number): string {
  return `"${version}"`
}

/**
 * The condition of a write on the existing document; `undefined`: none.
 * @throws StoreError INVALID_HEADER
 */
export function preconditionOf(headers: ConditionHeaders): Precondition | undefined {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers
  if (match !== undefined && noneMatch !== undefined) {
    throw new StoreError('INVALID_HEADER', 'If-Match and If-None-Match cannot both hold')
  }
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== '*') throw new StoreError('INVALID_HEADER', 'a write takes If-None-Match only as "*"')
    return 'none'
  }
  if (match === undefined) return undefined
  if (match.trim() === '*') return 'any'
  const version = /^\s*"(\d{1,15})"\s*$/.exec(match)?.[1]
  if (version === undefined) {
    throw new StoreError('INVALID_HEADER', 'If-Match must be "*" or one version in quotes, as ETag shows it')
  }
  return Number(version)
}

/** Whether a reader has this version already. */
export function isKnown(headers: ConditionHeaders, version: number): boolean {
  const known = headers['if-none-match']
  if (known === undefined) return false
  const tags = known.split(',').map(tag => tag.trim().replace(/^W\//, ''))
  return tags.includes('*') || tags.includes(etagOf(version))
}
