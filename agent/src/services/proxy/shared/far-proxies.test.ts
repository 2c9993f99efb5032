/** A proxy that knows of its platform nothing but NATS and the key, and the agent's side of it, over a real nats-server. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TEST_KEYS } from '../../../access/access-testing.ts'
import { ensureStreams, NEWEST_ROUTES } from '../../../bus/index.ts'
import { startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { RouteTable, Sealer, type RouteInput } from '../../../routes/index.ts'
import { NEWEST } from '../../../routes/shared/entries.ts'
import { untilTrue } from '../../../../test/support/until.ts'
import type { Demand } from '../control/proxy-control.ts'
import { createProxy, type Proxy } from '../proxy.ts'
import { FarProxies } from './far-proxies.ts'

const KEY = 'k'.repeat(43)
const far = new FarProxies()
const instance = createServer((_request, response) => void response.end('hi'))
const lines: Demand[] = []
const stop = new AbortController()
let nats: TestNats
let folder: string
let proxy: Proxy
let route: RouteInput

beforeAll(async () => {
  ;[nats, folder] = await Promise.all([startNats(), mkdtemp(join(tmpdir(), 'far-proxies-'))])
  await ensureStreams(await nats.connect())
  await once(instance.listen(0, '127.0.0.1'), 'listening')
  const { port } = instance.address() as AddressInfo
  route = {
    ...{ name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 9_000, concurrency: 0, isAnonymous: true },
    instances: [{ id: 'a', host: '127.0.0.1', port }],
  }
  const { url, user, password } = nats
  const settings = { access: TEST_KEYS, asyncBodyLimitBytes: 1_000_000, callbackAllow: ['*'] }
  const never = () => undefined
  await far.open({ nats: { url, user, password }, key: KEY, settings, onTrouble: never, onChange: never }, stop.signal)
  void (async () => {
    for await (const line of far.demand(stop.signal)) lines.push(line)
  })()
  await far.setRoutes(table(1, route))
  proxy = await start()
})
afterAll(async () => {
  stop.abort()
  await proxy?.close()
  await far.close()
  await nats.stop()
  instance.close()
  await rm(folder, { recursive: true })
})

const table = (generation: number, only: RouteInput) => RouteTable.parse({ generation, routes: [only] })
/** If its agent does not say that its routes are the newest, it is not ready before long. */
const start = ({ catchUpMs = 600_000, routesFile = 'routes.json' } = {}) =>
  createProxy({
    ...{ port: 0, graceMs: 200, routesFile: join(folder, routesFile) },
    nats: { url: nats.url, user: nats.user, password: nats.password },
    shared: { key: KEY, id: 'edge', version: '1', isFollowing: true, catchUpMs },
  })
const isReady = async (of = proxy) => (await fetch(`http://127.0.0.1:${of.address.port}/readyz`)).ok
async function call(): Promise<[number, string]> {
  const response = await fetch(`http://127.0.0.1:${proxy.address.port}/functions/fn`)
  return [response.status, await response.text()]
}

it('serves what there is, is listed, and has what changes from the moment that the publication ends', async () => {
  await untilTrue(async () => (await call())[1] === 'hi', 'it serves')
  // What it says of itself is on its way meanwhile.
  await untilTrue(() => far.all[0]?.isCurrent === true, 'it is heard')
  expect(far.all).toMatchObject([{ id: 'edge', isLive: true }])
  await far.setRoutes(table(2, { ...route, access: { kind: 'key' } }))
  expect((await call())[0]).toBe(401)
  expect(far.notReached()).toEqual([])
})

it('a call that waits there is told of, and goes on with the route that brings an instance', async () => {
  await far.setRoutes(table(3, { ...route, instances: [], scale: { max: 1 } }))
  const waiting = call()
  await untilTrue(() => lines.some(line => line.waiting === 1), 'the demand is heard')
  const woken = table(4, { ...route, scale: { max: 1 } }).routes[0]!
  await (
    await far.setRoute({ base: 3, generation: 4, route: woken })
  ).settled
  expect(await waiting).toEqual([200, 'hi'])
  await untilTrue(() => lines.at(-1)!.inflight + lines.at(-1)!.waiting === 0, 'it is over')
})

it('what it has counted is added to what the own proxy has', async () => {
  const own = Promise.resolve({ generation: 4, workers: 1, functions: [] })
  const { functions, workers } = await far.stats(own)
  expect([workers, functions.map(({ name }) => name)]).toEqual([2, ['fn']])
  const [counts] = await far.figures(Promise.resolve([]))
  expect([counts?.displayName, counts?.outcomes[1]]).toEqual(['Fn', functions[0]!.calls - functions[0]!.errors])
})

it('after a restart it is ready once it serves what was published meanwhile', async () => {
  await proxy.close()
  await untilTrue(() => far.all.length === 0, 'it has left')
  // Nobody is there to read it: it is not written.
  await far.setRoutes(table(5, { ...route, access: { kind: 'key' } }))
  proxy = await start()
  await untilTrue(() => isReady(), 'it is ready')
  expect((await call())[0]).toBe(401)
  await far.setRoutes(table(6, route))
})

it('without NATS it goes on, also after a restart; then it is not ready at once, and without a table never', async () => {
  await nats.kill()
  expect([await call(), await isReady()]).toEqual([[200, 'hi'], true])
  await proxy.close()
  proxy = await start()
  expect([await call(), await isReady()]).toEqual([[200, 'hi'], false])
  await proxy.close()
  proxy = await start({ catchUpMs: 100 })
  await untilTrue(() => isReady(), 'it is ready with what it has')
  expect(await call()).toEqual([200, 'hi'])
  const other = await start({ catchUpMs: 0, routesFile: 'none.json' })
  expect(await isReady(other)).toBe(false)
  await other.close()
  await nats.start()
})

it('one that hears that there are newer routes than it can get is not ready until it has them', async () => {
  await far.close()
  const bus = await nats.connect()
  const sealer = new Sealer(KEY)
  let generation = 99
  // In place of the agent.
  bus.answer(NEWEST_ROUTES, async () => sealer.seal(NEWEST, JSON.stringify({ generation })))
  await untilTrue(async () => !(await isReady()), 'it is not ready')
  expect(await call()).toEqual([200, 'hi'])
  generation = 6
  await untilTrue(() => isReady(), 'it is ready')
})
