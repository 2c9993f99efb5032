import { appendFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LogLine } from '../contract/index.ts'
import { LogFiles } from './log-files.ts'

const MAX_BYTES = 4_000

let folder: string
let files: LogFiles
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ryo-faas-logs-'))
  files = new LogFiles(folder, { maxFileBytes: MAX_BYTES, maxFiles: 2 })
  await mkdir(dirname(files.pathOf('fn', 'a')), { recursive: true })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Three lines per millisecond. */
const stamped = (n: number) => `2026-01-01T00:00:00.${String(Math.floor(n / 3)).padStart(3, '0')}Z stdout F line ${n}\n`
const write = (from: number, to: number) =>
  appendFile(files.pathOf('fn', 'a'), Array.from({ length: to - from }, (_, i) => stamped(from + i)).join(''))
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`)

test('a follower sees each line once, however often the file is cut', async () => {
  const stop = new AbortController()
  const source = { route: 'fn', id: 'a', isLive: async () => true }
  const reading = files.read(source, { follow: true }, stop.signal)
  const seen: string[] = []
  const readUntil = async (count: number) => {
    while (seen.length < count) seen.push((await reading.next()).value!.line)
  }
  await write(0, 100)
  await readUntil(100)
  // Within one millisecond, and shortly before the next cut.
  for (const [from, to] of [
    [100, 110],
    [110, 151],
    [151, 152],
    [152, 260],
  ] as const) {
    await files.enforceBounds('fn')
    await write(from, to)
    await readUntil(to)
  }
  stop.abort()
  expect(await reading.next()).toEqual({ done: true, value: undefined })
  expect(seen).toEqual(numbers(0, 260))
})

test('a line that is half written when the file is cut is seen once and complete', async () => {
  const stop = new AbortController()
  const source = { route: 'fn', id: 'a', isLive: async () => true }
  const reading = files.read(source, { follow: true }, stop.signal)
  await write(0, 100)
  await appendFile(files.pathOf('fn', 'a'), stamped(100).slice(0, -2))
  const seen: string[] = []
  while (seen.length < 100) seen.push((await reading.next()).value!.line)
  await files.enforceBounds('fn')
  await appendFile(files.pathOf('fn', 'a'), stamped(100).slice(-2))
  await write(101, 103)
  while (seen.length < 103) seen.push((await reading.next()).value!.line)
  stop.abort()
  expect(seen).toEqual(numbers(0, 103))
})

test('a file that is cut by several at once keeps its newest half', async () => {
  await write(0, 200)
  await Promise.all([files.bound('fn', 'a'), files.bound('fn', 'a'), files.enforceBounds('fn')])
  const text = await readFile(files.pathOf('fn', 'a'), 'utf8')
  expect(text.length).toBeGreaterThan(MAX_BYTES / 2 - 100)
  expect(text.endsWith(stamped(199))).toBe(true)
})

test('lines before the first stamp are of the time when the file began', async () => {
  const before = Date.now()
  await appendFile(files.pathOf('fn', 'a'), 'node: bad option: --nope\n')
  await write(0, 1)
  const source = { route: 'fn', id: 'a', isLive: async () => false }
  const lines: LogLine[] = []
  for await (const line of files.read(source, { follow: false }, new AbortController().signal)) lines.push(line)
  const [first, second] = lines
  expect(second).toMatchObject({ time: '2026-01-01T00:00:00.000Z', line: 'line 0' })
  expect(first!.line).toBe('node: bad option: --nope')
  // A file system may keep whole seconds.
  expect(Date.parse(first!.time)).toBeGreaterThan(before - 1_000)
})

test('lines of a program that stamps none have the time at which it was started', async () => {
  const before = new Date(Date.now() - 60_000).toISOString()
  await appendFile(files.pathOf('fn', 'a'), 'one\ntwo\n')
  const source = { route: 'fn', id: 'a', isLive: async () => false }
  const seen: string[] = []
  for await (const { line } of files.read(source, { follow: false, since: before }, new AbortController().signal)) {
    seen.push(line)
  }
  expect(seen).toEqual(['one', 'two'])
})
