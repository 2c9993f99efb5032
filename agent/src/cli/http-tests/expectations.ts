/**
 * What a request says of its response: `# @expect status 200`, `# @expect body.items.length >= 1`,
 * `# @expect header location matches /orders/\d+`, `# @expect body.id exists`.
 */
import { isDeepStrictEqual } from 'node:util'
import { RyoFaasError } from '../../contract/index.ts'
import { valueAt, type ReceivedResponse } from './received-response.ts'

const EXPECTATION =
  /^(status|duration|headers?[. ][\w-]+|body\S*)\s*(?:(==|!=|<=|>=|<|>|contains\b|matches\b|exists\b)\s*)?(.*)$/

/** @returns why it does not hold, if it does not @throws RyoFaasError INVALID_OPTION */
export function failureOf(text: string, response: ReceivedResponse): string | undefined {
  const [, part, operator = '==', written = ''] = EXPECTATION.exec(text) ?? []
  if (part === undefined || (written === '' && operator !== 'exists')) {
    throw new RyoFaasError('INVALID_OPTION', `"@expect ${text}" is not understood`, {
      hint: 'For instance: # @expect status 200, # @expect body.items[0].id == 7, # @expect header location exists',
    })
  }
  const actual = valueAt(response, part)
  if (holds({ actual, operator, expected: valueOf(written), written })) return undefined
  return `${text}: it is ${actual === undefined ? 'absent' : JSON.stringify(actual)}`
}

interface Comparison {
  readonly actual: unknown
  readonly operator: string
  readonly expected: unknown
  readonly written: string
}

function holds({ actual, operator, expected, written }: Comparison): boolean {
  const isSame = isDeepStrictEqual(actual, expected) || actual === written
  const isComparable = typeof actual === typeof expected && (typeof actual === 'number' || typeof actual === 'string')
  const [one, other] = [actual as number, expected as number]
  switch (operator) {
    case '!=':
      return !isSame
    case '<':
      return isComparable && one < other
    case '<=':
      return isComparable && one <= other
    case '>':
      return isComparable && one > other
    case '>=':
      return isComparable && one >= other
    case 'exists':
      return actual !== undefined
    case 'contains':
      if (Array.isArray(actual)) return actual.some(element => isDeepStrictEqual(element, expected))
      return asText(actual).includes(typeof expected === 'string' ? expected : written)
    case 'matches':
      return patternOf(written).test(asText(actual))
    default:
      return isSame
  }
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}

function patternOf(written: string): RegExp {
  const [, source = written, flags = ''] = /^\/(.*)\/([a-z]*)$/.exec(written) ?? []
  try {
    return new RegExp(source, flags)
  } catch (cause) {
    throw new RyoFaasError('INVALID_OPTION', `"@expect … matches ${written}": ${(cause as Error).message}`, { cause })
  }
}

/** JSON, or text that stands for itself. */
function valueOf(written: string): unknown {
  try {
    return JSON.parse(written) as unknown
  } catch {
    return written
  }
}
