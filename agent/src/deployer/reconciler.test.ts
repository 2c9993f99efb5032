import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Engine, Instance } from '../engine/index.ts'
import { KeyedQueue } from '../host/index.ts'
import type { StateStore } from '../state/index.ts'
import { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import { Reconciler } from './reconciler.ts'
import type { RoutePublisher } from './route-publisher.ts'

let server: Server
let isBusy: boolean

beforeEach(async () => {
  // Not those of the sockets.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  isBusy = true
  server = createServer((_request, response) => response.writeHead(isBusy ? 503 : 200).end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  vi.useRealTimers()
  server.close()
})

/** What an agent finds that came back: one instance, of which it knows nothing yet. */
function adopted() {
  const { port } = server.address() as AddressInfo
  const instance: Instance = {
    ...{ id: 'a1', route: 'fn', version: 1, name: 'fn', startedAt: '2026-01-01T00:00:00.000Z' },
    state: { kind: 'running', address: { host: '127.0.0.1', port } },
  }
  const record = { name: 'Fn', route: 'fn', active: 1, instances: 1, versions: [{ version: 1 }] }
  const fleet = new Fleet()
  let published = 0
  const reconciler = new Reconciler({
    fleet,
    engine: { instances: async () => [instance], promote: async () => undefined } as unknown as Engine,
    state: { deployment: () => record, current: { deployments: { fn: record } } } as unknown as StateStore,
    instances: { retire: async () => undefined } as unknown as Instances,
    publisher: { publish: async () => void (published += 1) } as unknown as RoutePublisher,
    queue: new KeyedQueue(),
    onChange: () => undefined,
    log: { warn: () => undefined },
  })
  return { reconciler, fleet, published: () => published }
}

test('an instance that is too busy to answer is asked again, until it does', async () => {
  const { reconciler, fleet, published } = adopted()
  try {
    await reconciler.all()
    expect([fleet.isReady('a1'), published()]).toEqual([false, 0])
    await vi.advanceTimersByTimeAsync(1_000)
    await reconciler.all()
    expect([fleet.isReady('a1'), published()]).toEqual([false, 0])
    isBusy = false
    await vi.advanceTimersByTimeAsync(1_000)
    await vi.waitUntil(() => fleet.isReady('a1'), { timeout: 10_000 })
    await vi.waitUntil(() => published() === 1, { timeout: 10_000 })
    // Nothing is looked for any more.
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    reconciler.close()
  }
})

test('those who were there before are waited for, so that nobody takes them out of the routes', async () => {
  const { reconciler, fleet, published } = adopted()
  let asked = 0
  server.on('request', () => (isBusy = ++asked < 3))
  await reconciler.adopt()
  expect([fleet.isReady('a1'), published()]).toEqual([true, 1])
  reconciler.close()
})
