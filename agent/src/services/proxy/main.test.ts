import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { ProxyControl, type Demand } from './control/proxy-control.ts'
import { ensureStreams, STREAMS } from '../../bus/index.ts'
import { createCallerKey } from '../../access/index.ts'
import { StaleTableError, type RouteInstance } from '../../routes/index.ts'
import { managerOf, startNats } from '../../bus/testing/nats-server.ts'
import { call, Stage, until } from './proxy-testing.ts'
import type { Proxy } from './proxy.ts'

const main = path.join(inject('entries'), 'services/proxy/main.js')

let stage: Stage
let folder: string

beforeEach(async () => {
  stage = new Stage()
  folder = await mkdtemp(path.join(os.tmpdir(), 'proxy-main-'))
  stage.onEnd(() => rm(folder, { recursive: true, force: true }))
})
afterEach(() => stage.end())

interface Started {
  child: ChildProcess
  stderr: () => string
  exit: Promise<number | null>
  control: ProxyControl
  /** Stands in for the proxy in `call`. */
  proxy: Proxy
  pid: number
}

function spawnMain(file: string): Pick<Started, 'child' | 'stderr' | 'exit'> {
  const child = spawn(process.execPath, [main, file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()))
  const exit = new Promise<number | null>(resolve => child.once('exit', resolve))
  stage.onEnd(async () => {
    child.kill('SIGKILL')
    await exit
  })
  return { child, stderr: () => stderr, exit }
}

async function start(options: object): Promise<Started> {
  const controlPath = path.join(folder, 'control.sock')
  const readyFile = path.join(folder, 'ready.json')
  const file = path.join(folder, 'options.json')
  await writeFile(file, JSON.stringify({ port: 0, controlPath, readyFile, ...options }))
  const process = spawnMain(file)
  let ready: { pid: number; port: number; address: string } | undefined
  await until(async () => {
    ready = await readFile(readyFile, 'utf8').then(
      text => JSON.parse(text) as typeof ready,
      () => undefined,
    )
    return ready !== undefined
  }, `the proxy is ready: ${process.stderr()}`)
  const { pid, port, address } = ready!
  const proxy = { address: { host: address, port } } as Proxy
  return { ...process, pid, proxy, control: new ProxyControl({ controlPath }) }
}

const table = (instances: { id: string; host: string; port: number }[]) => ({
  generation: 1,
  routes: [
    { name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 5_000, concurrency: 0, isAnonymous: true, instances },
  ],
})

it('serves, finishes what is in flight on SIGTERM, exits 0', async () => {
  const { child, exit, control, proxy, pid } = await start({})
  expect(pid).toBe(child.pid)
  let finish: (() => void) | undefined
  const { id, host, port } = await stage.http((_request, response) => (finish = () => response.end('finished')))
  await control.setRoutes(table([{ id, host, port }]))
  const running = call(proxy, '/functions/fn')
  await until(() => finish !== undefined, 'the call runs')
  child.kill('SIGTERM')
  await until(
    () =>
      call(proxy, '/healthz').then(
        () => false,
        () => true,
      ),
    'it accepts no more',
  )
  finish!()
  expect((await running).body).toBe('finished')
  expect(await exit).toBe(0)
})

it('with workers: every worker serves a push, figures add up, a dead worker is replaced with its routes', async () => {
  const { child, exit, control, proxy } = await start({ workers: 2 })
  const { id, host, port } = await stage.http((_request, response) => response.end('ok'))
  await control.setRoutes(table([{ id, host, port }]))
  for (let i = 0; i < 8; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  expect(await control.stats()).toMatchObject({ workers: 2, functions: [{ name: 'fn', calls: 8 }] })
  const metrics = (await call(proxy, '/metrics')).body
  expect(metrics).toContain('faas_invoke_duration_seconds_count{faas_name="Fn",faas_trigger="http"} 8')

  const children = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ')
  process.kill(Number(children[0]), 'SIGKILL')
  await until(async () => {
    const now = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ')
    return !now.includes(children[0]!) && now.length === 2 && (await control.stats()).workers === 2
  }, 'a new worker is there')
  for (let i = 0; i < 8; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})

it('with workers: a call that is held by any of them is told of, a patch wakes it, a worker that dies takes its calls along', async () => {
  const { child, control, proxy } = await start({ workers: 2 })
  const { id, host, port } = await stage.http((_request, response) => response.end('awake'))
  const instance = { id, host, port }
  const [route] = table([{ ...instance, isFrozen: true } as RouteInstance]).routes
  const scaled = { ...route!, scale: { max: 4 }, concurrency: 10 }
  await control.setRoutes({ generation: 1, routes: [scaled] })
  const lines: Demand[] = []
  const aborter = new AbortController()
  stage.onEnd(() => aborter.abort())
  const followed = (async () => {
    for await (const line of control.demand(aborter.signal)) lines.push(line)
  })()
  followed.catch(() => undefined)
  const held = Array.from({ length: 6 }, () => call(proxy, '/functions/fn'))
  await until(() => lines.at(-1)?.waiting === 6, 'all are told of')
  await (
    await control.setRoute({ base: 1, generation: 2, route: { ...scaled, instances: [instance] } })
  ).settled
  expect((await Promise.all(held)).map(({ body }) => body)).toEqual(Array.from({ length: 6 }, () => 'awake'))
  await until(() => lines.at(-1)!.inflight + lines.at(-1)!.waiting === 0, 'it is told that they are over')
  expect(lines.reduce((sum, { calls }) => sum + calls, 0)).toBe(6)

  await (
    await control.setRoute({ base: 2, generation: 3, route: scaled })
  ).settled
  const lost = Promise.allSettled(Array.from({ length: 6 }, () => call(proxy, '/functions/fn')))
  await until(() => lines.at(-1)!.waiting === 6, 'all are told of')
  const workers = (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')).trim().split(' ')
  for (const pid of workers) process.kill(Number(pid), 'SIGKILL')
  await until(() => lines.at(-1)!.waiting === 0, 'none is left')
  expect((await lost).every(({ status }) => status === 'rejected')).toBe(true)
  // Their successors have the routes, and take patches.
  await until(async () => (await control.stats()).workers === 2, 'there are new workers')
  await (
    await control.setRoute({ base: 3, generation: 4, route: { ...scaled, instances: [instance] } })
  ).settled
  for (let i = 0; i < 4; i += 1) expect((await call(proxy, '/functions/fn')).body).toBe('awake')
})

it('with workers: a rate holds for all of them together, and keys are known to each', async () => {
  const { control, proxy } = await start({ workers: 2 })
  const { id, host, port } = await stage.http((_request, response) => response.end('ok'))
  const { key, id: keyId, hash } = createCallerKey()
  const { routes, generation } = table([{ id, host, port }])
  const limited = { ...routes[0]!, access: { kind: 'key' }, rate: { calls: 100, periodMs: 600_000 } }
  const keys = [{ id: keyId, name: 'Ann', hash }]
  await control.setRoutes({ generation, routes: [limited], keys })
  const send = () => call(proxy, '/functions/fn', { headers: { 'x-api-key': key } })
  const answers = await Promise.all(Array.from({ length: 64 }, async () => [await send(), await send(), await send()]))
  const statuses = answers.flat().map(({ status }) => status)
  expect(statuses.filter(status => status === 200)).toHaveLength(100)
  expect(statuses.filter(status => status === 429)).toHaveLength(92)
  expect(Object.keys(await control.keyUses())).toEqual([keyId])
  await control.setRoutes({ generation: generation + 1, routes: [limited], keys: [] })
  expect((await Promise.all(Array.from({ length: 8 }, send))).map(({ status }) => status)).toEqual(Array(8).fill(401))
})

it('with workers: a further proxy that cannot find out whether its routes are the newest is ready after a time', async () => {
  const shared = { key: 'k'.repeat(43), id: 'edge', version: '1', isFollowing: true }
  const nats = { url: 'nats://127.0.0.1:1' }
  const routesFile = path.join(folder, 'routes.json')
  const first = await start({ workers: 2, nats, routesFile, shared: { ...shared, catchUpMs: 600_000 } })
  // New workers are counted before they listen.
  const isReady = ({ proxy }: Started) =>
    call(proxy, '/readyz').then(
      ({ status }) => status === 200,
      () => false,
    )
  await first.control.setRoutes(table([]))
  expect(await isReady(first)).toBe(false)
  first.child.kill('SIGKILL')
  await first.exit
  await rm(path.join(folder, 'ready.json'))
  const second = await start({ workers: 2, nats, routesFile, shared: { ...shared, catchUpMs: 100 } })
  await until(() => isReady(second), 'it is ready with what it has')
  const { pid } = second.child
  const workersOf = async () => (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ')
  const before = await workersOf()
  for (const worker of before) process.kill(Number(worker), 'SIGKILL')
  await until(async () => {
    const now = await workersOf()
    return !now.some(worker => before.includes(worker)) && (await second.control.stats()).workers === 2
  }, 'there are new workers')
  await until(() => isReady(second), 'they are ready')
})

it('with workers: every worker accepts asynchronous calls, under ids that no other gives', async () => {
  const nats = await startNats()
  stage.onEnd(() => nats.stop())
  const bus = await nats.connect()
  await ensureStreams(bus)
  const { url, user, password } = nats
  const { control, proxy } = await start({ workers: 2, nats: { url, user, password } })
  await control.setRoutes(table([]))
  const send = () => call(proxy, '/async-function/fn', { method: 'POST', body: 'x' })
  await until(async () => {
    const answers = await Promise.all([send(), send(), send(), send()])
    return answers.every(({ status }) => status === 202)
  }, 'every worker has found the bus')
  await managerOf(bus).streams.purge(STREAMS.calls)
  const answers = await Promise.all(Array.from({ length: 100 }, send))
  expect(new Set(answers.map(({ headers }) => headers['x-call-id'])).size).toBe(100)
  expect((await managerOf(bus).streams.info(STREAMS.calls)).state.messages).toBe(100)
})

it.each([1, 2])(
  'after a crash serves its last routes from the start, without the agent (%i workers)',
  async workers => {
    const routesFile = path.join(folder, 'routes.json')
    const { id, host, port } = await stage.http((_request, response) => response.end('ok'))
    const first = await start({ workers, routesFile })
    await first.control.setRoutes({ ...table([{ id, host, port }]), generation: 7 })
    first.child.kill('SIGKILL')
    await first.exit
    await rm(path.join(folder, 'ready.json'))
    const second = await start({ workers, routesFile })
    expect((await call(second.proxy, '/functions/fn')).body).toBe('ok')
    expect((await second.control.health()).generation).toBe(7)
    await expect(second.control.setRoutes({ ...table([]), generation: 6 })).rejects.toBeInstanceOf(StaleTableError)
  },
)

it.each([1, 2])('exits with 98 and says so if the address is in use (%i workers)', async workers => {
  const taken = net.createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => new Promise<void>(resolve => taken.close(() => resolve())))
  const file = path.join(folder, 'options.json')
  await writeFile(file, JSON.stringify({ port: (taken.address() as AddressInfo).port, workers }))
  const { exit, stderr } = spawnMain(file)
  expect(await exit).toBe(98)
  expect(JSON.parse(stderr().trim().split('\n').at(-1)!)).toMatchObject({ level: 'error', code: 'EADDRINUSE' })
})

it('exits with 78 if its options are wrong', async () => {
  const file = path.join(folder, 'options.json')
  await writeFile(file, JSON.stringify({ porT: 1 }))
  const { exit, stderr } = spawnMain(file)
  expect(await exit).toBe(78)
  expect(stderr()).toContain('porT')
})

it('listens on more addresses', async () => {
  const { proxy } = await start({ extraHosts: [{ host: '127.0.0.2', peers: ['127.0.0.0/8'] }] })
  const socket = net.connect(proxy.address.port, '127.0.0.2')
  stage.onEnd(() => void socket.destroy())
  socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
  const answer = await new Promise<Buffer>(resolve => socket.once('data', resolve))
  expect(answer.toString()).toMatch(/^HTTP\/1.1 200 /)
})
