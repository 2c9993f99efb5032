/**
 * How many document events led to a request, as it travels through functions (`X-Event-Depth`): `<n>.<mac>`, signed by
 * the dispatcher, passed on unread by the runtime, and believed by proxy and store only if the signature is right.
 * Otherwise a caller could switch off the triggers of what it causes by claiming to be deep in a loop.
 *
 * A function can still omit the header, which resets the count of its own chain; the store's limits bound that.
 */
import { createHmac } from 'node:crypto'
import { isSameSecret } from '../contract/index.ts'

/** @param key the key of functions (`AccessKeys.functions`) */
export function signDepth(key: string, depth: number): string {
  return `${depth}.${createHmac('sha256', key).update(`event-depth ${depth}`).digest('base64url')}`
}

/** @returns 0 without a header, or if it was not signed with `key` */
export function depthOf(key: string | undefined, value: string | string[] | undefined): number {
  if (key === undefined || typeof value !== 'string') return 0
  const depth = Number(/^\d{1,4}(?=\.)/.exec(value)?.[0] ?? NaN)
  if (Number.isNaN(depth)) return 0
  return isSameSecret(value, signDepth(key, depth)) ? depth : 0
}
