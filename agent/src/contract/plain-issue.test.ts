import { expect, test } from 'vitest'
import { z } from 'zod'
import { plainIssue } from './plain-issue.ts'

test.each([
  [z.number(), null, 'must be a number'],
  [z.number(), Number.NaN, 'must be a number'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.string(), undefined, 'is missing'],
  [z.object({}), 1, 'must be an object'],
  [z.array(z.string()), 'a', 'must be a list'],
  [z.int().min(1), 0, 'must be at least 1'],
  [z.number().positive(), 0, 'must be more than 0'],
  [z.int().max(100), 101, 'must be at most 100'],
  [z.string().min(1), '', 'must be at least 1 characters long'],
  [z.array(z.string()).max(0), ['a'], 'must be at most 0 entries long'],
  [z.enum(['a', 'b']), 'c', 'must be one of a, b'],
  [z.literal('a'), 'c', 'must be a'],
  [z.strictObject({}), { x: 1 }, 'has no field "x"'],
  [z.string().regex(/a/, 'must have an a'), 'b', 'must have an a'],
])('%#: %j is told in plain words', (schema, value, message) => {
  expect(schema.safeParse(value, { error: plainIssue }).error?.issues[0]?.message).toBe(message)
})
