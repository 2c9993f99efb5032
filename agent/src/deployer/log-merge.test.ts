import { expect, test } from 'vitest'
import type { LogLine } from '../contract/index.ts'
import type { Engine, LogQuery } from '../engine/index.ts'
import { deploymentLogs } from './log-merge.ts'

const line = (instance: string, text: string, time: string): LogLine => ({
  ...{ instance, line: text, time },
  stream: 'stdout',
})

/** An engine of which only what `deploymentLogs` asks for is there; `follows` are the answers to each follow, in turn. */
function engineWith(follows: LogLine[][], past: LogLine[] = []) {
  const asked: LogQuery[] = []
  const engine = {
    logSources: async () => ['a'],
    instances: async () => [{ id: 'a', state: { kind: 'running' } }],
    logs: async function* (_source: unknown, query: LogQuery) {
      if (!query.follow) return void (yield* past)
      asked.push(query)
      yield* follows.shift() ?? []
    },
  } as unknown as Engine
  return { engine, asked }
}

test('an instance whose follow ended while it was being born is followed again, behind what was shown', async () => {
  const [first, second, third] = ['1', '2', '3'].map(n => line('a', `line ${n}`, `2026-01-01T00:00:0${n}Z`))
  const { engine, asked } = engineWith([[], [first!, second!], [second!, third!]])
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(engine, 'a', { follow: true, tail: 0, signal: stop.signal })) {
    seen.push(line)
    if (seen.length === 3) stop.abort()
  }
  expect(seen).toEqual(['line 1', 'line 2', 'line 3'])
  expect(asked.map(({ since }) => since)).toEqual([undefined, undefined, second!.time])
})

test('of many lines of one moment none is lost and none shown twice, wherever the follow begins', async () => {
  const at = '2026-01-01T00:00:01.000Z'
  const lines = ['before', 'seen', 'failed:', '  at there', '  at last'].map((text, i) =>
    line('a', text, i === 0 ? '2026-01-01T00:00:00.000Z' : at),
  )
  const { engine } = engineWith([lines], lines.slice(0, 2))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(engine, 'a', { follow: true, tail: 1, signal: stop.signal })) {
    seen.push(line)
    if (seen.length === 4) stop.abort()
  }
  expect(seen).toEqual(['seen', 'failed:', '  at there', '  at last'])
})

test('without a tail nothing of the past is shown, and all that follows', async () => {
  const lines = ['old', 'older', 'new'].map((text, i) => line('a', text, `2026-01-01T00:00:0${i}.000Z`))
  const { engine } = engineWith([lines], lines.slice(0, 2))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(engine, 'a', { follow: true, tail: 0, signal: stop.signal })) {
    seen.push(line)
    stop.abort()
  }
  expect(seen).toEqual(['new'])
})
