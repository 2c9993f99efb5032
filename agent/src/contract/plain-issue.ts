/** What is wrong with a value, in plain words: replaces zod's messages wherever the schema has none of its own. */
import type { z } from 'zod'

/** Passed to `safeParse` as `error`. Messages are meant to follow the name of the field. */
export const plainIssue: z.core.$ZodErrorMap = issue => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is missing' : `must be ${NOUNS[issue.expected] ?? `a ${issue.expected}`}`
    case 'too_small':
      return `must be ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${unitOf(issue.origin)}`
    case 'too_big':
      return `must be ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${unitOf(issue.origin)}`
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}`
    case 'unrecognized_keys':
      return `has no field ${issue.keys.map(key => JSON.stringify(key)).join(', ')}`
    default:
      return undefined
  }
}

const NOUNS: Partial<Record<string, string>> = { int: 'a whole number', object: 'an object', array: 'a list' }

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters long'
  return origin === 'array' || origin === 'set' ? ' entries long' : ''
}
