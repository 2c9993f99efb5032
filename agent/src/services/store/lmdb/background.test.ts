import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Background } from './background.ts'
import type { CommandRunner } from './command-runner.ts'
import type { Writer } from './writer.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Takes no transaction until there is room. */
function fullDisk() {
  const disk = { hasRoom: false, attempts: 0 }
  const writer = { hasBackgroundWork: true, environment: { path: '/' } } as Writer
  const transaction = () => {
    disk.attempts += 1
    if (!disk.hasRoom) throw Object.assign(new Error('no space left on device'), { code: 28 })
    return false
  }
  return { disk, background: new Background(writer, { transaction } as unknown as CommandRunner) }
}

test('a full disk is left alone for a second, by a thread that does not come to its timers, too', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  const { disk, background } = fullDisk()
  background.step()
  vi.advanceTimersByTime(900)
  background.step()
  expect(disk.attempts).toBe(1)
  vi.advanceTimersByTime(200)
  background.step()
  expect(disk.attempts).toBe(2)
  background.stop()
})

test('what the disk did not take is tried again, once it does', () => {
  const { disk, background } = fullDisk()
  background.step()
  disk.hasRoom = true
  vi.advanceTimersByTime(1_100)
  expect(disk.attempts).toBe(2)
  vi.advanceTimersByTime(10_000)
  background.step()
  expect(disk.attempts).toBe(2)
})

test('one that is stopped does not try again', () => {
  const { disk, background } = fullDisk()
  background.step()
  background.stop()
  vi.advanceTimersByTime(10_000)
  background.step()
  expect(disk.attempts).toBe(1)
})
