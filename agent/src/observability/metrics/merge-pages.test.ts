import { expect, it } from 'vitest'
import { parseExposition, renderExposition } from './exposition.ts'
import { mergePages } from './merge-pages.ts'

const PROXY = `# HELP calls_total Calls that ended.
# TYPE calls_total counter
calls_total{name="a"} 3
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 2
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 0.5
took_seconds_count 3
`

it('groups the series of a family from several pages, labelled by their source', () => {
  const other = '# HELP calls_total Other words.\n# TYPE calls_total counter\ncalls_total{name="a"} 4\n'
  const merged = mergePages([
    { labels: { part: 'proxy' }, text: PROXY },
    { labels: { part: 'function', faas_instance: 'i1' }, text: other },
    { labels: { part: 'function', faas_instance: 'i2' }, text: other },
  ])
  expect(merged).toBe(`# HELP calls_total Calls that ended.
# TYPE calls_total counter
calls_total{name="a",part="proxy"} 3
calls_total{name="a",part="function",faas_instance="i1"} 4
calls_total{name="a",part="function",faas_instance="i2"} 4
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1",part="proxy"} 2
took_seconds_bucket{le="+Inf",part="proxy"} 3
took_seconds_sum{part="proxy"} 0.5
took_seconds_count{part="proxy"} 3
`)
})

it('trusts no page about its source, and lets none spoil another', () => {
  const evil = [
    '# TYPE calls_total gauge',
    'calls_total{name="a"} 1',
    '# HELP fine Fine.',
    '# TYPE fine gauge',
    'fine{part="proxy",faas_instance="x",a="1"} 1',
    'fine{a="1",part="store"} 2',
    'broken{a=1} 1',
    'broken{a="1" 1',
    'no value',
    'fine{a="2"} ) 3',
    'fine{a="say \\"hi\\" {}\\\\"} 4 1700000000000',
    '\u0000',
  ].join('\n')
  const merged = mergePages([
    { labels: { part: 'proxy' }, text: PROXY },
    { labels: { part: 'function', faas_instance: 'a"b\\' }, text: evil },
  ])
  expect(merged.split('\n').filter(line => /^(calls|fine|broken)/.test(line))).toEqual([
    'calls_total{name="a",part="proxy"} 3',
    'fine{part="function",faas_instance="a\\"b\\\\",a="1"} 1',
    'fine{a="say \\"hi\\" {}\\\\",part="function",faas_instance="a\\"b\\\\"} 4',
  ])
})

it('reads back what it writes', () => {
  const page = `${PROXY}# HELP odd Values \\\\ and lines\\n.\n# TYPE odd gauge\nodd NaN\nodd{a="b"} +Inf\nodd{a="c"} -1.5e-9\n`
  expect(renderExposition(parseExposition(page).values())).toBe(page)
})

it('renders OpenMetrics on request: exemplars, counter families without suffix, an EOF', () => {
  const open = `# HELP calls Calls that ended.
# TYPE calls counter
calls_total{name="a"} 3
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 2 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.05 1700000000.5
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 0.5
took_seconds_count 3
# EOF
`
  const plain =
    '# HELP calls_total Calls that ended.\n# TYPE calls_total counter\ncalls_total{name="a"} 4\n# TYPE odd untyped\nodd 1\n'
  const pages = [
    { labels: { part: 'proxy' }, text: open },
    { labels: { part: 'function' }, text: plain },
  ]
  expect(mergePages(pages, 'openmetrics')).toBe(`# HELP calls Calls that ended.
# TYPE calls counter
calls_total{name="a",part="proxy"} 3
calls_total{name="a",part="function"} 4
# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1",part="proxy"} 2 # {trace_id="4bf92f3577b34da6a3ce929d0e0e4736"} 0.05 1700000000.5
took_seconds_bucket{le="+Inf",part="proxy"} 3
took_seconds_sum{part="proxy"} 0.5
took_seconds_count{part="proxy"} 3
# HELP odd${' '}
# TYPE odd unknown
odd{part="function"} 1
# EOF
`)
  expect(mergePages(pages)).toContain('calls_total{name="a",part="proxy"} 3\n')
  expect(mergePages(pages)).not.toMatch(/EOF|trace_id|TYPE calls counter/)
})
