import { expect, it } from 'vitest'
import { judge, LONGEST_WAIT_MS, retryAfterMs, type FunctionAnswer } from './verdict.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

function answer(status: number, headers: Record<string, string> = {}): FunctionAnswer {
  return { kind: 'answer', status, headers: Object.entries(headers), body: Buffer.from(''), bodyBytes: 0 }
}

it.each([
  [200, 'succeeded'],
  [204, 'succeeded'],
  [302, 'succeeded'],
  [400, 'failed'],
  [404, 'failed'],
  [408, 'failed'],
  [429, 'retry'],
  [500, 'retry'],
  [503, 'retry'],
  [504, 'retry'],
])("treats a function's %i as %s", (status, kind) => {
  expect(judge(answer(status), NOW)).toMatchObject({ kind })
})

it.each([
  [503, 'FUNCTION_UNAVAILABLE', 'unavailable'],
  [404, 'FUNCTION_NOT_FOUND', 'unavailable'],
  [429, 'FUNCTION_OVERLOADED', 'overloaded'],
  [504, 'FUNCTION_TIMEOUT', 'retry'],
  [502, 'FUNCTION_CRASHED', 'retry'],
  [413, 'PAYLOAD_TOO_LARGE', 'failed'],
])("treats the platform's %i %s as %s", (status, code, kind) => {
  expect(judge(answer(status, { 'X-Ryo-Faas-Error': code }), NOW)).toMatchObject({ kind, error: { code } })
})

it.each([
  ['7', 7_000],
  ['Thu, 01 Jan 2026 00:00:09 GMT', 9_000],
  ['Wed, 31 Dec 2025 00:00:00 GMT', 0],
  ['999999999', LONGEST_WAIT_MS],
  ['soon', 0],
  ['-5', 0],
])('reads Retry-After %s as %i ms', (value, waitMs) => {
  expect(retryAfterMs([['Retry-After', value]], NOW)).toBe(waitMs)
})
