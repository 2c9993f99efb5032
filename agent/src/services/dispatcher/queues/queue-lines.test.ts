import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test, vi } from 'vitest'
import type { Backlog } from '../../../bus/index.ts'
import { createDispatcher } from '../dispatcher.ts'
import { DispatcherControl, type QueueLine } from '../dispatcher-control.ts'
import { Stage, until } from '../dispatcher-testing.ts'
import { QueueLines } from './queue-lines.ts'

afterEach(() => void vi.useRealTimers())

const useFakeTime = () => vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })

async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    await vi.advanceTimersByTimeAsync(Math.min(100, left))
    await setImmediate()
  }
}

/** One queue as the bus has it. */
function queueOf(lines: QueueLines, backlog: Backlog = { waiting: 0, delivered: 0 }) {
  const bus = { backlog, asked: 0, isRunning: false, isAway: false }
  const queue = lines.watch('fn', {
    backlog: async () => {
      bus.asked += 1
      if (bus.isAway) throw new Error('no connection')
      return bus.backlog
    },
    isRunning: () => bus.isRunning,
  })
  return { bus, queue }
}

function followed(lines: QueueLines) {
  const told: QueueLine[] = []
  return { told, end: lines.follow(batch => void told.push(...batch)) }
}

test('who begins to follow is told of what is in the queue; an empty one is neither told of nor asked about again', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus } = queueOf(lines)
  await pass(5_000)
  expect(bus.asked).toBe(0)
  const first = followed(lines)
  await pass(5_000)
  expect([bus.asked, first.told]).toEqual([1, []])
  bus.backlog = { waiting: 3, delivered: 2 }
  const second = followed(lines)
  await pass(100)
  expect(second.told).toEqual([{ name: 'fn', calls: 5, waiting: 3, ageMs: 0 }])
})

test('what a delivery says of the rest costs no request, and many of them are one line', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus, queue } = queueOf(lines)
  const { told } = followed(lines)
  await pass(100)
  const asked = bus.asked
  bus.isRunning = true
  bus.backlog = { waiting: 0, delivered: 1 }
  for (let remaining = 100; remaining > 0; remaining -= 1) {
    queue.delivered({ count: 1, storedAtMs: Date.now() - 2_000, remaining })
  }
  await pass(500)
  expect(told).toEqual([{ name: 'fn', calls: 101, waiting: 1, ageMs: 2_500 }])
  expect(bus.asked).toBe(asked)
  await pass(3_000)
  expect(bus.asked).toBeLessThanOrEqual(asked + 3)
  bus.isRunning = false
  bus.backlog = { waiting: 0, delivered: 0 }
  await pass(2_000)
  expect(told.at(-1)).toEqual({ name: 'fn', calls: 0, waiting: 0, ageMs: 0 })
  const [lineCount, askedCount] = [told.length, bus.asked]
  await pass(60_000)
  expect([told.length, bus.asked]).toEqual([lineCount, askedCount])
})

test('the age is that of the calls which wait, not of those before them', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus, queue } = queueOf(lines)
  const { told } = followed(lines)
  bus.isRunning = true
  // The last one that waited is taken, and runs for long; a minute later another one arrives.
  bus.backlog = { waiting: 0, delivered: 1 }
  queue.delivered({ count: 1, storedAtMs: Date.now() - 500, remaining: 0 })
  await pass(60_000)
  expect(told.at(-1)).toMatchObject({ waiting: 0, ageMs: 0 })
  bus.backlog = { waiting: 1, delivered: 1 }
  await pass(3_000)
  expect(told.at(-1)!.waiting).toBe(1)
  expect(told.at(-1)!.ageMs).toBeGreaterThan(1_000)
  expect(told.at(-1)!.ageMs).toBeLessThanOrEqual(3_000)
})

test('calls that only wait for another attempt are asked about now and then', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus } = queueOf(lines, { waiting: 0, delivered: 4 })
  const { told } = followed(lines)
  await pass(60_000)
  expect(told.at(-1)).toMatchObject({ calls: 4, waiting: 0 })
  expect(bus.asked).toBeLessThanOrEqual(7)
})

test('a bus that does not answer leaves a queue as it was, and is asked again', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus } = queueOf(lines, { waiting: 9, delivered: 1 })
  const { told } = followed(lines)
  await pass(100)
  bus.isAway = true
  await pass(5_000)
  expect(told.at(-1)).toMatchObject({ calls: 10, waiting: 9 })
  bus.isAway = false
  bus.backlog = { waiting: 0, delivered: 0 }
  await pass(2_000)
  expect(told.at(-1)).toMatchObject({ calls: 0 })
})

test('once nobody follows, or the function is removed, nothing is asked', async () => {
  useFakeTime()
  const lines = new QueueLines()
  const { bus } = queueOf(lines, { waiting: 9, delivered: 1 })
  const { end } = followed(lines)
  await pass(100)
  end()
  await pass(2_000)
  const asked = bus.asked
  await pass(10_000)
  expect(bus.asked).toBe(asked)
  const { bus: other, queue } = queueOf(lines, { waiting: 9, delivered: 1 })
  const { told } = followed(lines)
  lines.unwatch(queue)
  await pass(10_000)
  expect([other.asked, told.length > 0]).toEqual([0, true])
})

test('a dispatcher tells of its queues what the bus says, until they are empty', async () => {
  const stage = await Stage.open()
  const abort = new AbortController()
  try {
    let release!: () => void
    const released = new Promise<void>(resolve => (release = resolve))
    const proxy = await stage.server((_request, response) => void released.then(() => response.end('done')))
    await stage.deploy({ async: { concurrency: 2 } }, { route: 'other' })
    const options = await stage.options(proxy.url)
    const dispatcher = await createDispatcher(options)
    stage.onEnd(() => dispatcher.close())
    const ids = await Promise.all(Array.from({ length: 10 }, () => stage.call()))
    await until(() => proxy.received.length === 2, 'two calls run')
    const told: QueueLine[] = []
    const control = new DispatcherControl({ name: 'dispatcher', controlPath: options.controlPath! })
    const following = (async () => {
      for await (const line of control.queues(abort.signal)) told.push(line)
    })()
    await until(() => told.some(({ calls, waiting }) => calls === 10 && waiting === 8), 'it is told of the queue')
    release()
    for (const id of ids) await stage.final(id)
    await until(() => told.at(-1)!.calls === 0, 'it is told that the queue is empty')
    expect(told.every(({ name, ageMs }) => name === 'fn' && ageMs < 60_000)).toBe(true)
    abort.abort()
    await following
  } finally {
    abort.abort()
    await stage.end()
  }
})
