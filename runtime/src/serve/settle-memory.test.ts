import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IdleMemory } from './settle-memory.ts'

/** Why it was settled, each time. */
let reasons: string[]
let running: number
let isLarge: boolean
let memory: IdleMemory
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] })
  running = 0
  reasons = []
  isLarge = false
  memory = new IdleMemory(
    () => running === 0,
    async reason => {
      reasons.push(reason)
      return reason === 'frozen' || !isLarge
    },
  )
})
afterEach(() => void vi.useRealTimers())

test('memory is settled when nothing has run for a second', async () => {
  for (let call = 0; call < 10; call++) {
    memory.used()
    await vi.advanceTimersByTimeAsync(600)
  }
  expect(reasons).toEqual([])
  await vi.advanceTimersByTimeAsync(2_000)
  expect(reasons).toEqual(['idle'])
  await vi.advanceTimersByTimeAsync(600_000)
  expect(reasons).toEqual(['idle'])
})

test('what runs is not held up; its end counts', async () => {
  running = 2
  memory.used()
  running = 1
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toEqual([])
  running = 0
  memory.used()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(reasons).toEqual(['idle'])
})

test('it is settled once a minute where calls come all the time, and after the last of them', async () => {
  for (let call = 0; call < 50; call++) {
    memory.used()
    await vi.advanceTimersByTimeAsync(5_000)
  }
  expect(reasons).toHaveLength(5)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(reasons).toHaveLength(6)
})

test('a failure leaves it for the next time', async () => {
  let tries = 0
  const failing = new IdleMemory(
    () => true,
    () => Promise.reject(new Error(`${++tries}`)),
  )
  failing.used()
  await vi.advanceTimersByTimeAsync(1_000)
  failing.used()
  await vi.advanceTimersByTimeAsync(61_000)
  expect(tries).toBe(2)
})

test('before it is frozen it is settled, unless it was and nothing has run since; a thaw finds nothing to do', async () => {
  memory.used()
  await memory.settle()
  await memory.settle()
  expect(reasons).toEqual(['frozen'])
  await vi.advanceTimersByTimeAsync(600_000)
  memory.used()
  await vi.advanceTimersByTimeAsync(1_000)
  await memory.settle()
  expect(reasons).toEqual(['frozen', 'idle'])
  isLarge = true
  memory.used()
  await vi.advanceTimersByTimeAsync(60_000)
  await memory.settle()
  expect(reasons).toEqual(['frozen', 'idle', 'idle', 'frozen'])
})
