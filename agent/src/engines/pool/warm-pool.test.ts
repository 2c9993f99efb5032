import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { until } from '../../../test/support/until.ts'
import type { PoolClass } from './pool-class.ts'
import { WarmPool } from './warm-pool.ts'

const of = (memoryMb: number): PoolClass => ({ base: 'node', flags: [], memoryMb, certificates: '' })

let begun: number[]
let discarded: string[]
let failures: number
let pool: WarmPool<string>
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  begun = []
  discarded = []
  failures = 0
  pool = new WarmPool<string>(2, {
    begin: async ({ memoryMb }) => {
      if (failures-- > 0) throw new Error('no room')
      begun.push(memoryMb)
      return `w${begun.length}`
    },
    discard: async waiter => void discarded.push(waiter),
  })
})
afterEach(async () => {
  vi.useRealTimers()
  await pool.close()
})

test('keeps some waiting, hands each out once, and begins others when nobody takes one', async () => {
  expect(pool.take(of(256))).toBeUndefined()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(begun).toEqual([])
  pool.open([of(256)])
  await vi.advanceTimersByTimeAsync(1000)
  expect([pool.take(of(256)), pool.take(of(256)), pool.take(of(256))]).toEqual(['w1', 'w2', undefined])
  await vi.advanceTimersByTimeAsync(200)
  expect(begun).toHaveLength(2)
  await vi.advanceTimersByTimeAsync(1000)
  expect([pool.take(of(256)), pool.take(of(256))]).toEqual(['w3', 'w4'])
})

test('who asks in vain does not keep it from beginning any', async () => {
  pool.open([])
  for (let asked = 0; asked < 20; asked++) {
    if (pool.take(of(256)) !== undefined) return
    await vi.advanceTimersByTimeAsync(50)
  }
  expect.unreachable('none began')
})

test('one at a time boots', async () => {
  pool.open([of(256)])
  await vi.advanceTimersByTimeAsync(400)
  expect(begun).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(200)
  expect(begun).toHaveLength(2)
})

test('some are kept of each class that was wanted lately; those of the oldest go', async () => {
  pool.open([of(128), of(256), of(512)])
  await vi.advanceTimersByTimeAsync(2000)
  expect(begun).toEqual([512, 512, 256, 256, 128, 128])
  expect(pool.take(of(1024))).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1000)
  expect([begun.slice(6), discarded.toSorted()]).toEqual([
    [1024, 1024],
    ['w5', 'w6'],
  ])
})

test('after a failure it waits longer and longer, and says why there is none', async () => {
  failures = 2
  pool.open([of(256)])
  await vi.advanceTimersByTimeAsync(300)
  expect(pool.failure).toBe('no room')
  await vi.advanceTimersByTimeAsync(1100)
  expect([failures, begun]).toEqual([0, []])
  await vi.advanceTimersByTimeAsync(2400)
  expect([pool.failure, begun]).toEqual([undefined, [256, 256]])
})

test('what is being begun while it is emptied is discarded as well', async () => {
  let finish!: (waiter: string) => void
  const slow = new WarmPool<string>(1, {
    begin: () => new Promise<string>(resolve => (finish = resolve)),
    discard: async waiter => void discarded.push(waiter),
  })
  slow.open([of(256)])
  await vi.advanceTimersByTimeAsync(300)
  const emptied = slow.empty()
  finish('late')
  await emptied
  vi.useRealTimers()
  await until(async () => discarded.includes('late') || undefined)
})
