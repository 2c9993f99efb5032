import { expect, it } from 'vitest'
import { History } from './history.ts'
import { readDispatchers, readStore, type Reading } from './reading.ts'

const make = (options: Partial<ConstructorParameters<typeof History>[0]> = {}) =>
  new History({ everyMs: 2000, recent: 10, together: 5, windowMs: 60_000, upperMs: bucket => bucket * 10, ...options })

function reading(calls: number, more: Partial<Reading> = {}): Reading {
  const counts = { calls, errors: Math.floor(calls / 10), durations: [0, calls, 0], inflight: 1 }
  return { instances: new Map([['Hello', 1]]), counts: new Map([['Hello', counts]]), ...more }
}

it('computes rates and percentiles since the previous point', () => {
  const history = make()
  history.add(reading(1000), 0)
  history.add(
    {
      ...reading(1020),
      counts: new Map([['Hello', { calls: 1020, errors: 102, durations: [10, 1009, 1], inflight: 3 }]]),
    },
    2000,
  )
  const { functions, platform, everyMs } = history.view({ since: 0 })
  expect(everyMs).toBe(2000)
  expect(functions).toEqual([
    {
      name: 'Hello',
      points: [
        {
          ...{ t: 2000, callsPerSecond: 10, errorsPerSecond: 1, p50: 0, p95: 10, p99: 20 },
          ...{ inflight: 3, instances: 1, frozen: 0, desired: 1, coldStarts: 0, queueDepth: 0, dead: 0 },
        },
      ],
    },
  ])
  expect(platform).toMatchObject([{ t: 2000, callsPerSecond: 10, coldStarts: 0, storeOpsPerSecond: null }])
})

it('starts over with a restarted proxy, and leaves a gap while it is down', () => {
  const history = make()
  history.add(reading(1000), 0)
  history.add({ instances: new Map([['Hello', 1]]) }, 2000)
  history.add(reading(40), 4000)
  const { points } = history.view({ since: 0 }).functions[0]!
  expect(points.map(({ t, callsPerSecond }) => [t, callsPerSecond])).toEqual([
    [2000, 0],
    [4000, 10],
  ])
})

it('counts cold starts, not deploys, and functions that come and go', () => {
  const history = make()
  history.add(reading(0), 0)
  history.add(
    reading(0, {
      instances: new Map([
        ['Hello', 2],
        ['New', 1],
      ]),
      coldStarts: new Map([['Hello', 2]]),
    }),
    2000,
  )
  history.add(reading(0, { instances: new Map([['Hello', 1]]), coldStarts: new Map([['Hello', 3]]) }), 4000)
  const { platform, functions } = history.view({ since: 0 })
  expect(platform.map(({ coldStarts, instances }) => [coldStarts, instances])).toEqual([
    [2, 3],
    [1, 1],
  ])
  expect(functions.map(({ name, points }) => [name, points.length])).toEqual([
    ['Hello', 2],
    ['New', 1],
  ])
  expect(history.view({ since: 2000, name: 'hello' }).functions).toMatchObject([
    { name: 'Hello', points: [{ t: 4000 }] },
  ])
})

it('knows what sleeps apart from what is missing, and what woke, also after points were merged', () => {
  const history = make({ recent: 1, together: 2 })
  const asleep = (frozen: number, desired: number) => ({ asleep: new Map([['Hello', { frozen, desired }]]) })
  history.add(reading(0, { instances: new Map([['Hello', 0]]), ...asleep(1, 0) }), 0)
  history.add(reading(0, { instances: new Map([['Hello', 0]]), ...asleep(1, 0) }), 2000)
  history.add(reading(1, { ...asleep(0, 1), coldStarts: new Map([['Hello', 1]]) }), 4000)
  history.add(
    reading(1, { instances: new Map([['Hello', 0]]), ...asleep(0, 1), coldStarts: new Map([['Hello', 1]]) }),
    6000,
  )
  const { functions, platform } = history.view({ since: 0 })
  const seen = functions[0]!.points.map(({ instances, frozen, desired, coldStarts }) => ({
    instances,
    frozen,
    desired,
    coldStarts,
  }))
  expect(seen).toEqual([
    { instances: 1, frozen: 0, desired: 1, coldStarts: 1 },
    { instances: 0, frozen: 0, desired: 1, coldStarts: 0 },
  ])
  expect(platform[0]).toMatchObject({ coldStarts: 1, frozen: 0, desired: 1 })
})

it('merges older points without losing a call, and drops what is beyond the window', () => {
  const history = make()
  for (let i = 0; i <= 1000; i++) history.add(reading(i * 10), i * 2000)
  const { platform } = history.view({ since: 0 })
  const newest = platform.at(-1)!.t
  expect(newest).toBe(2_000_000)
  expect(platform[0]!.t).toBeGreaterThan(newest - 60_000 - 20_000)
  // Six of ten seconds, at most four waiting to be merged, ten of two.
  expect(platform.length).toBeLessThanOrEqual(6 + 4 + 10)
  expect(new Set(platform.map(({ callsPerSecond }) => callsPerSecond))).toEqual(new Set([5]))
  const gaps = platform.slice(1).map(({ t }, at) => t - platform[at]!.t)
  expect(new Set(gaps)).toEqual(new Set([10_000, 2000]))
})

it('reads the metrics of dispatchers and store', () => {
  const one =
    'faas_async_queue_depth{faas_name="A"} 4\n# TYPE faas_async_dead_total counter\nfaas_async_dead_total{faas_name="A"} 1\nfaas_trigger_lag_events{faas_name="A",faas_handler="h"} 2\n'
  expect(readDispatchers([one, one])).toEqual({
    queueDepth: new Map([['A', 4]]),
    dead: new Map([['A', 2]]),
    triggerLagEvents: 4,
  })
  expect(readDispatchers([])).toEqual({})
  const store =
    'store_operations_total{operation="get",outcome="ok"} 5\nstore_operations_total{operation="put",outcome="ok"} 2\nstore_relay_lag_events 3\nstore_relay_lag_seconds 0.5\n'
  expect(readStore(store)).toEqual({ storeOps: 7, relayLagEvents: 3, relayLagSeconds: 0.5 })
  expect(readStore(undefined)).toEqual({})
})
