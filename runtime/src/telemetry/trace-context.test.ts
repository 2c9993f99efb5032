import { describe, expect, it } from 'vitest'
import { formatTraceParent, parseTraceContext, parseTraceState } from './trace-context.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const SPAN = 'b7ad6b7169203331'

describe('traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, 1],
    [`00-${TRACE}-${SPAN}-00`, 0],
    [`00-${TRACE}-${SPAN}-03`, 3],
    [`00-${TRACE}-${SPAN}-ff`, 3],
    [` \t00-${TRACE}-${SPAN}-01\t `, 1],
    [`cc-${TRACE}-${SPAN}-01`, 1],
    [`cc-${TRACE}-${SPAN}-01-what-the-future-will-be-like`, 1],
  ])('%j is understood', (value, flags) => {
    expect(parseTraceContext(value, undefined)).toEqual({ traceId: TRACE, spanId: SPAN, flags })
  })

  it.each([
    '',
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}-01.`,
    `cc-${TRACE}-${SPAN}-01.more`,
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-1`,
    `00-${TRACE}-${SPAN}-001`,
    `0-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    '0'.repeat(100_000),
  ])('%j is not', value => {
    expect(parseTraceContext(value, 'a=1')).toBeUndefined()
  })

  it('is written as version 00', () => {
    const context = parseTraceContext(`cc-${TRACE}-${SPAN}-01-more`, undefined)!
    expect(formatTraceParent(context)).toBe(`00-${TRACE}-${SPAN}-01`)
  })

  it('comes without tracestate if that is malformed', () => {
    expect(parseTraceContext(`00-${TRACE}-${SPAN}-01`, 'a=1,=')).not.toHaveProperty('traceState', expect.anything())
  })
})

describe('tracestate', () => {
  const members = (count: number) => Array.from({ length: count }, (_, n) => `m${n}=${n}`).join(',')

  it.each([
    ['foo=1,bar=2', 'foo=1,bar=2'],
    ['foo=1 \t , \t bar=2,\tbaz=3', 'foo=1,bar=2,baz=3'],
    ['foo=1,,bar=2,', 'foo=1,bar=2'],
    ['foo=1,foo=2', 'foo=1,foo=2'],
    ['0a_-*/@x=!~ ~', '0a_-*/@x=!~ ~'],
    ['foo@@bar=1', 'foo@@bar=1'],
    [`${'z'.repeat(256)}=1`, `${'z'.repeat(256)}=1`],
    [`a=${'v'.repeat(256)}`, `a=${'v'.repeat(256)}`],
    [members(32), members(32)],
  ])('%j is passed on', (given, kept) => {
    expect(parseTraceState(given)).toBe(kept)
  })

  it.each([
    '',
    ' , ',
    'foo =1',
    'FOO=1',
    'foo.bar=1',
    '@foo=1,bar=2',
    'foo=bar=baz',
    'foo=,bar=3',
    'foo=\u00e9',
    `${'z'.repeat(257)}=1`,
    `a=${'v'.repeat(257)}`,
    members(33),
    `a=${'1'.repeat(10_000)}`,
  ])('%j is dropped', given => {
    expect(parseTraceState(given)).toBeUndefined()
  })
})
