/** What JSON must be like to be stored unchanged. */
import { StoreError } from './store-error.ts'

export const DEPTH_LIMIT = 64

/** @throws StoreError TOO_DEEP; INVALID_JSON for a number that became infinite. */
export function checkKeepable(value: unknown, depth = 0): void {
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new StoreError('INVALID_JSON', 'a number is out of range (IEEE 754 double)')
  }
  if (typeof value !== 'object' || value === null) return
  if (depth === DEPTH_LIMIT) throw new StoreError('TOO_DEEP', `the JSON is nested deeper than ${DEPTH_LIMIT} levels`)
  if (Array.isArray(value)) for (const item of value) checkKeepable(item, depth + 1)
  else for (const key in value) checkKeepable((value as Record<string, unknown>)[key], depth + 1)
}
