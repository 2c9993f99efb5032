/** Keys for tests: shared, so that a test shows what the part under test was started with. */
import type { AccessKeys } from './credentials.ts'

export const TEST_KEYS: AccessKeys = {
  operator: 'operator-of-the-tests',
  part: 'part-of-the-tests-0001',
  functions: 'functions-of-the-tests',
}

/** The header that the operator sends. */
export const AS_OPERATOR = { authorization: `Bearer ${TEST_KEYS.operator}` } as const
