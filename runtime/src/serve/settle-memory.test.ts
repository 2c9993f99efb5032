import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IdleMemory } from './settle-memory.ts'

let settled: number
let running: number
let memory: IdleMemory
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] })
  settled = running = 0
  memory = new IdleMemory(
    () => running === 0,
    async () => void settled++,
  )
})
afterEach(() => void vi.useRealTimers())

test('memory is settled when nothing has run for a second', async () => {
  for (let call = 0; call < 10; call++) {
    memory.used()
    await vi.advanceTimersByTimeAsync(600)
  }
  expect(settled).toBe(0)
  await vi.advanceTimersByTimeAsync(2_000)
  expect(settled).toBe(1)
  await vi.advanceTimersByTimeAsync(600_000)
  expect(settled).toBe(1)
})

test('what runs is not held up; its end counts', async () => {
  running = 2
  memory.used()
  running = 1
  await vi.advanceTimersByTimeAsync(60_000)
  expect(settled).toBe(0)
  running = 0
  memory.used()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(settled).toBe(1)
})

test('it is settled once a minute where calls come all the time, and after the last of them', async () => {
  for (let call = 0; call < 50; call++) {
    memory.used()
    await vi.advanceTimersByTimeAsync(5_000)
  }
  expect(settled).toBe(5)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(settled).toBe(6)
})

test('a failure leaves it for the next time', async () => {
  const failing = new IdleMemory(
    () => true,
    () => Promise.reject(new Error(`${++settled}`)),
  )
  failing.used()
  await vi.advanceTimersByTimeAsync(1_000)
  failing.used()
  await vi.advanceTimersByTimeAsync(61_000)
  expect(settled).toBe(2)
})
