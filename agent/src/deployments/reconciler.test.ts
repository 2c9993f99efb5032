import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import type { Engine, Instance } from '../engines/index.ts'
import { KeyedQueue } from '../host/index.ts'
import type { StateStore } from './state/index.ts'
import { Fleet } from './fleet.ts'
import type { Instances } from './instances.ts'
import { isHealthy } from './readiness.ts'
import { Reconciler } from './reconciler.ts'
import type { RoutePublisher } from './route-publisher.ts'
import type { Sleep } from './scaling/index.ts'

let server: Server
let isBusy: boolean

beforeEach(async () => {
  // Leaves the timers of sockets alone.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  isBusy = true
  server = createServer((_request, response) => response.writeHead(isBusy ? 503 : 200).end())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  vi.useRealTimers()
  server.close()
})

/** What a restarted agent finds: one instance, not yet known to be ready. */
function adopted(
  listed: Instance[] = [running('a1')],
  fields: object = { instances: 1 },
  healthy: (instance: Instance) => Promise<boolean> = isHealthy,
) {
  const config = DeployEntry.parse({ name: 'Fn', packageDir: '/w', filePath: '/w/a.ts', ...fields })
  const record = {
    name: 'Fn',
    route: 'fn',
    active: 2,
    versions: [
      { version: 1, config },
      { version: 2, config },
    ],
  }
  const fleet = new Fleet()
  let published = 0
  /** What happened, in order. */
  const log: string[] = []
  const retired: string[] = []
  let refusal: string | undefined
  let isSilent = false
  const reconciler = new Reconciler({
    fleet,
    isHealthy: healthy,
    engine: {
      instances: async () => {
        if (isSilent) throw new Error('no leader')
        return [...listed]
      },
      promote: async () => undefined,
      stop: async () => undefined,
    } as unknown as Engine,
    state: {
      deployment: (route: string) => ({ ...record, route }),
      current: { deployments: { fn: record } },
    } as unknown as StateStore,
    sleep: {
      thaw: async (instance: Instance) => {
        log.push(`thawed ${instance.id}`)
        const awake = running(instance.id)
        listed.splice(listed.indexOf(instance), 1, awake)
        return awake
      },
    } as unknown as Sleep,
    instances: {
      retire: async (instances: Instance[]) => void retired.push(...instances.map(({ id }) => id)),
      start: async () => {
        if (refusal !== undefined) throw new Error(refusal)
        log.push('started another')
        listed.push(running('a2'))
        return [running('a2')]
      },
    } as unknown as Instances,
    publisher: {
      publish: async () => {
        published += 1
        log.push(`routes: ${fleet.ready('fn').map(({ id }) => id)}`)
      },
    } as unknown as RoutePublisher,
    queue: new KeyedQueue(),
    onChange: () => undefined,
    log: { warn: () => undefined },
  })
  const fail = (why: string | undefined) => (refusal = why)
  const silence = (is: boolean) => void (isSilent = is)
  return { reconciler, fleet, listed, log, retired, fail, silence, published: () => published }
}

function frozen(id: string, version = 2): Instance {
  const instance = running(id)
  return { ...instance, version, state: { ...instance.state, kind: 'frozen' } as Instance['state'] }
}

function running(id: string, { host = '127.0.0.1' } = {}): Instance {
  const { port } = server.address() as AddressInfo
  return {
    ...{ id, route: 'fn', version: 2, name: 'fn', startedAt: '2026-01-01T00:00:00.000Z' },
    state: { kind: 'running', address: { host, port } },
  }
}

test('an instance that is too busy to answer is asked again until it does', async () => {
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
    // Nothing is polled any longer.
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    reconciler.close()
  }
})

test('earlier instances get time to answer, so that they stay in the routes', async () => {
  const { reconciler, fleet, published } = adopted()
  let asked = 0
  server.on('request', () => (isBusy = ++asked < 3))
  await reconciler.adopt()
  expect([fleet.isReady('a1'), published()]).toEqual([true, 1])
  reconciler.close()
})

test('no table is published before all functions were asked: it would take away those that are asked last', async () => {
  const other = { ...running('b1'), route: 'other' }
  let answer = (_isHealthy: boolean) => undefined as void
  const answering = new Promise<boolean>(resolve => (answer = resolve))
  const healthy = async ({ id }: Instance) => id === 'a1' || answering
  const { reconciler, fleet, published } = adopted([running('a1'), other], { instances: 1 }, healthy)
  const adopting = reconciler.adopt()
  for (let turn = 0; turn < 20; turn += 1) await new Promise(resolve => setImmediate(resolve))
  expect([fleet.isReady('b1'), published()]).toEqual([false, 0])
  answer(true)
  await adopting
  expect([fleet.isReady('a1'), fleet.isReady('b1'), published() > 0]).toEqual([true, true, true])
  reconciler.close()
})

test('while the engine does not say what runs, nothing is published and nothing is started', async () => {
  const { reconciler, fleet, log, published, silence } = adopted()
  isBusy = false
  silence(true)
  const known: boolean[] = []
  const adopt = () => reconciler.adopt(() => void known.push(fleet.isReady('a1')))
  await expect(adopt()).rejects.toThrow('no leader')
  expect([log, known, published()]).toEqual([[], [], 0])
  silence(false)
  await adopt()
  expect(known).toEqual([true])
  expect(log).toEqual(['routes: a1'])
})

test('of what was published before, the instances that are gone leave the routes when the engine answers', async () => {
  const listed = [running('a1'), running('a3', { host: '127.0.0.2' })]
  const { reconciler, fleet, log } = adopted(listed, {}, async () => true)
  for (const known of [running('a1'), running('a2'), running('a3')]) fleet.markReady(known)
  await reconciler.adopt()
  // The third is at another address than it was.
  expect(log[0]).toBe('routes: a1')
})

test.each([
  ['is no longer listed by the engine', () => []],
  ['is listed as exited', () => [{ ...running('a1'), state: { kind: 'exited', at: '', code: 1, reason: 'died' } }]],
] as [string, () => Instance[]][])(
  'an instance that %s is removed from the routes before another is started',
  async (_what, listed) => {
    const { reconciler, fleet, listed: now, log } = adopted()
    isBusy = false
    await reconciler.all()
    now.splice(0, 1, ...listed())
    log.length = 0
    await reconciler.all()
    expect(log).toEqual(['routes: ', 'started another', 'routes: a2'])
    expect(fleet.isReady('a1')).toBe(false)
    expect(fleet.lastExit('fn')).toMatchObject({ reason: expect.stringMatching(/died|removed/) as string })
    reconciler.close()
  },
)

test('an instance whose address has changed is known by the new one only', async () => {
  const { reconciler, fleet, listed, log } = adopted([running('a1', { host: '127.0.0.2' })])
  fleet.markReady(running('a1', { host: '127.0.0.2' }))
  isBusy = false
  listed.splice(0, 1, running('a1'))
  await reconciler.all()
  expect(log).toEqual(['routes: ', 'routes: a1'])
  expect(fleet.ready()).toEqual([running('a1')])
  expect(fleet.lastExit('fn')).toBeUndefined()
  reconciler.close()
})

test('an instance that becomes ready while the engine is asked stays ready', async () => {
  const { reconciler, fleet, listed } = adopted([])
  isBusy = false
  const looked = reconciler.all()
  listed.push(running('a3'))
  fleet.markReady(running('a3'))
  await looked
  expect(fleet.isReady('a3')).toBe(true)
  reconciler.close()
})

test('what a restarted agent finds asleep stays asleep, and nothing is started in its place', async () => {
  const { reconciler, fleet, log } = adopted([frozen('a1')], {})
  await reconciler.adopt()
  expect([log, fleet.frozen('fn').map(({ id }) => id), fleet.wanted('fn')]).toEqual([[], ['a1'], 0])
  reconciler.close()
})

test('it is woken where one has to run, and where one that should be awake was frozen from outside', async () => {
  isBusy = false
  const { reconciler, fleet, log, listed } = adopted([frozen('a1')])
  await reconciler.adopt()
  expect(log).toEqual(['thawed a1', 'routes: a1'])
  listed.splice(0, 1, frozen('a1'))
  log.length = 0
  await reconciler.all()
  expect(log).toEqual(['routes: ', 'thawed a1', 'routes: a1'])
  expect(fleet.isReady('a1')).toBe(true)
  reconciler.close()
})

test('what died awake is started again, what died asleep is not', async () => {
  isBusy = false
  const died = (id: string): Instance => ({
    ...running(id),
    state: { kind: 'exited', at: '', code: 1, reason: 'died' },
  })
  const { reconciler, fleet, log, listed } = adopted([running('a1'), frozen('b1')], {})
  await reconciler.adopt()
  listed.splice(1, 1, died('b1'))
  await reconciler.all()
  expect([log.includes('started another'), fleet.frozen('fn'), fleet.wanted('fn')]).toEqual([false, [], 1])
  listed.splice(0, 2, died('a1'))
  await reconciler.all()
  expect(log).toContain('started another')
  reconciler.close()
})

test('of earlier versions the newest frozen one is kept, what runs is drained', async () => {
  const { reconciler, fleet, retired } = adopted(
    [frozen('a2'), frozen('a1', 1), { ...running('b1'), version: 1 }, frozen('a0', 0)],
    {},
  )
  await reconciler.adopt()
  await reconciler.all()
  expect([...new Set(retired)]).toEqual(['b1', 'a0'])
  expect([fleet.isKept('a1'), fleet.isFrozen('a2')]).toEqual([true, true])
  reconciler.close()
})

test('what runs on an engine that is being left serves until enough others do, and what sleeps there ends', async () => {
  isBusy = false
  const leaving = { isLeaving: true } as const
  const { reconciler, fleet, log, retired } = adopted([
    { ...running('b1'), ...leaving },
    { ...frozen('b2'), ...leaving },
  ])
  await reconciler.adopt()
  // In the routes from the first moment on, beside the new one.
  expect(log).toEqual(['started another', 'routes: b1,a2'])
  expect([retired, fleet.isReady('a2')]).toEqual([['b2', 'b1'], true])
  reconciler.close()
})

test.each([
  ['was told to end and did is no failure', 0, undefined],
  ['broke down is one', 1, 'exited with code 1'],
])('what leaves an engine and %s', async (_, code, reason) => {
  isBusy = false
  const exited = { kind: 'exited', at: '2026-01-01T00:00:00.000Z', code, reason: `exited with code ${code}` } as const
  const { reconciler, fleet } = adopted([running('a1'), { ...running('b1'), isLeaving: true, state: exited }])
  await reconciler.adopt()
  expect(fleet.lastExit('fn')?.reason).toBe(reason)
  reconciler.close()
})

test('nothing that is left ends while the engine that is gone to cannot start anything', async () => {
  isBusy = false
  const { reconciler, fleet, retired, fail } = adopted([{ ...running('b1'), isLeaving: true }])
  fail('no room there')
  await reconciler.adopt()
  expect([retired, fleet.ready('fn').map(({ id }) => id)]).toEqual([[], ['b1']])
  fail(undefined)
  await vi.advanceTimersByTimeAsync(60_000)
  await vi.waitUntil(() => retired.includes('b1'), { timeout: 10_000 })
  expect(fleet.isReady('a2')).toBe(true)
  reconciler.close()
})
