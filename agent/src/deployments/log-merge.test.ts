import { expect, test } from 'vitest'
import type { LogLine } from '../contract/index.ts'
import type { Engine, LogQuery, Logs } from '../engines/index.ts'
import { deploymentLogs } from './log-merge.ts'

const line = (instance: string, text: string, time: string): LogLine => ({
  ...{ instance, line: text, time },
  stream: 'stdout',
})

/** An engine that has only what `deploymentLogs` needs; `follows` are the results of each follow, in turn. */
function engineWith(follows: LogLine[][], past: LogLine[] = []) {
  const asked: LogQuery[] = []
  const logs: Logs = {
    sources: async () => ['a'],
    forget: async () => undefined,
    read: async function* (_source: unknown, query: LogQuery) {
      if (!query.follow) return void (yield* past)
      asked.push(query)
      yield* follows.shift() ?? []
    },
  }
  const engine = { instances: async () => [{ id: 'a', state: { kind: 'running' } }] } as unknown as Engine
  return { from: { logs, engine }, asked }
}

test('an instance whose follow ended while it was starting is followed again, after what was shown', async () => {
  const [first, second, third] = ['1', '2', '3'].map(n => line('a', `line ${n}`, `2026-01-01T00:00:0${n}Z`))
  const { from, asked } = engineWith([[], [first!, second!], [second!, third!]])
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(from, 'a', { follow: true, tail: 0, signal: stop.signal })) {
    seen.push(line)
    if (seen.length === 3) stop.abort()
  }
  expect(seen).toEqual(['line 1', 'line 2', 'line 3'])
  expect(asked.map(({ since }) => since)).toEqual([undefined, undefined, second!.time])
})

test('many lines with the same time are each shown once, wherever the follow starts', async () => {
  const at = '2026-01-01T00:00:01.000Z'
  const lines = ['before', 'seen', 'failed:', '  at there', '  at last'].map((text, i) =>
    line('a', text, i === 0 ? '2026-01-01T00:00:00.000Z' : at),
  )
  const { from } = engineWith([lines], lines.slice(0, 2))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(from, 'a', { follow: true, tail: 1, signal: stop.signal })) {
    seen.push(line)
    if (seen.length === 4) stop.abort()
  }
  expect(seen).toEqual(['seen', 'failed:', '  at there', '  at last'])
})

test('without a tail nothing from the past is shown, but everything that follows', async () => {
  const lines = ['old', 'older', 'new'].map((text, i) => line('a', text, `2026-01-01T00:00:0${i}.000Z`))
  const { from } = engineWith([lines], lines.slice(0, 2))
  const stop = new AbortController()
  const seen: string[] = []
  for await (const { line } of deploymentLogs(from, 'a', { follow: true, tail: 0, signal: stop.signal })) {
    seen.push(line)
    stop.abort()
  }
  expect(seen).toEqual(['new'])
})

test('a reader that pauses applies back pressure, and gets every line when it resumes', async () => {
  const count = 5_000
  let read = 0
  const { from } = engineWith([])
  from.logs.read = async function* (_source, { follow }) {
    if (!follow) return
    for (; read < count; read++) yield line('a', String(read), `2026-01-01T00:00:00.${String(read).padStart(9, '0')}Z`)
  }
  const stop = new AbortController()
  const lines = deploymentLogs(from, 'a', { follow: true, tail: 0, signal: stop.signal })
  expect((await lines.next()).value?.line).toBe('0')
  // Turns enough to read them all, if nothing held it back.
  for (let turn = 0; turn < 100; turn++) await new Promise(resolve => setImmediate(resolve))
  expect(read).toBeLessThan(100)
  for (let next = 1; next < count; next++) expect((await lines.next()).value?.line).toBe(String(next))
  stop.abort()
})

test('a reader that goes away ends the reading, also during a pause', async () => {
  const { from } = engineWith([])
  const ended = new Promise<void>(resolve => {
    from.logs.read = async function* (_source, { follow }) {
      if (!follow) return
      try {
        for (let n = 0; ; n++) yield line('a', String(n), `2026-01-01T00:00:00.${String(n).padStart(9, '0')}Z`)
      } finally {
        resolve()
      }
    }
  })
  const lines = deploymentLogs(from, 'a', { follow: true, tail: 0, signal: new AbortController().signal })
  await lines.next()
  await lines.return(undefined)
  await ended
})
