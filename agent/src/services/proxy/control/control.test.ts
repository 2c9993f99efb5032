import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProxyControl, type Demand } from './proxy-control.ts'
import { ControlError, StaleTableError, type RouteTableInput } from '../../../routes/index.ts'
import { call, Stage, until } from '../proxy-testing.ts'

let stage: Stage
let folder: string
let controlPath: string
let routesFile: string
let control: ProxyControl

beforeEach(async () => {
  stage = new Stage()
  folder = await mkdtemp(path.join(os.tmpdir(), 'proxy-control-'))
  stage.onEnd(() => rm(folder, { recursive: true, force: true }))
  controlPath = path.join(folder, 'control.sock')
  routesFile = path.join(folder, 'routes.json')
  control = new ProxyControl({ controlPath })
})
afterEach(() => stage.end())

const table = (generation: number, instances: RouteTableInput['routes'][0]['instances'] = []): RouteTableInput => ({
  generation,
  routes: [
    { name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 1_000, concurrency: 0, isAnonymous: true, instances },
  ],
})

it('routes pushed through the control socket are served when the push is answered, and counted', async () => {
  const proxy = await stage.proxy({ controlPath })
  expect(await control.health()).toEqual({ status: 'ok', generation: -1, pid: process.pid })
  const { id, host, port } = await stage.http((_request, response) => response.end('ok'))
  await control.setRoutes(table(7, [{ id, host, port }]))
  expect((await call(proxy, '/functions/fn')).body).toBe('ok')
  expect(await control.health()).toEqual({ status: 'ok', generation: 7, pid: process.pid })
  const stats = await control.stats()
  expect(stats).toMatchObject({ generation: 7, workers: 1, functions: [{ name: 'fn', calls: 1, errors: 0 }] })
  expect((await stat(controlPath)).mode & 0o777).toBe(0o600)
})

it('an older table is refused, also among two at once; the same generation again is fine', async () => {
  await stage.proxy({ controlPath })
  const results = await Promise.allSettled([control.setRoutes(table(5)), control.setRoutes(table(4))])
  const stale = await control.setRoutes(table(4)).catch((error: unknown) => error)
  expect(results[0].status === 'fulfilled' || results[1].status === 'fulfilled').toBe(true)
  expect(stale).toBeInstanceOf(StaleTableError)
  expect((stale as StaleTableError).generation).toBe(5)
  await control.setRoutes(table(5))
})

it('what is no table is refused with 400', async () => {
  await stage.proxy({ controlPath })
  const bad = { generation: 1, routes: [{ ...table(1).routes[0]!, name: 'UPPER' }] }
  await expect(control.setRoutes(bad)).rejects.toThrow(/400/)
  const twice = { generation: 1, routes: [...table(1).routes, ...table(1).routes] }
  await expect(control.setRoutes(twice)).rejects.toThrow(ControlError)
  expect(await put('not json')).toBe(400)
  expect((await control.health()).generation).toBe(-1)
})

describe('how much is asked of each function', () => {
  const scaled = (generation: number, instances: RouteTableInput['routes'][0]['instances'] = []): RouteTableInput => ({
    generation,
    routes: table(generation, instances).routes.map(route => ({ ...route, scale: { max: 1 } })),
  })

  /** Follows it; what was said so far, and whether that is all. */
  function follow() {
    const lines: Demand[] = []
    const aborter = new AbortController()
    stage.onEnd(() => aborter.abort())
    let isOpen = false
    const ended = (async () => {
      for await (const line of control.demand(aborter.signal, () => (isOpen = true))) lines.push(line)
    })()
    ended.catch(() => undefined)
    return { lines, ended, stop: () => aborter.abort(), opened: () => until(() => isOpen, 'it is told') }
  }

  it('is told line by line, at once when a call waits, until the agent goes', async () => {
    const proxy = await stage.proxy({ controlPath, routesFile })
    await proxy.setRoutes(scaled(1))
    const { lines, ended, stop, opened } = follow()
    await opened()
    const waiting = call(proxy, '/functions/fn')
    await until(() => lines.length > 0, 'the agent is asked')
    expect(lines[0]).toEqual({ name: 'fn', inflight: 0, waiting: 1, calls: 1 })
    const { id, host, port } = await stage.http((_request, response) => response.end('awake'))
    const [route] = scaled(2, [{ id, host, port }]).routes
    await (
      await control.setRoute({ base: 1, generation: 2, route: route! })
    ).settled
    expect((await waiting).body).toBe('awake')
    await until(() => lines.at(-1)!.inflight + lines.at(-1)!.waiting === 0, 'it is told that it is over')
    expect(lines.reduce((sum, line) => sum + line.calls, 0)).toBe(1)
    stop()
    await ended
  })

  it('is told again to an agent that comes back, and the call still waits', async () => {
    const proxy = await stage.proxy({ controlPath })
    await proxy.setRoutes(scaled(1))
    const first = follow()
    await first.opened()
    const waiting = call(proxy, '/functions/fn')
    await until(() => first.lines.length > 0, 'the first agent is asked')
    first.stop()
    await first.ended
    const second = follow()
    await until(() => second.lines.length > 0, 'the second one is too')
    expect(second.lines[0]).toMatchObject({ name: 'fn', waiting: 1 })
    const { id, host, port } = await stage.http((_request, response) => response.end('awake'))
    await control.setRoutes(scaled(2, [{ id, host, port }]))
    expect((await waiting).body).toBe('awake')
  })

  it('is told while the proxy stops, which serves what it holds first, or says why not', async () => {
    const proxy = await stage.proxy({ controlPath, graceMs: 30_000 })
    await proxy.setRoutes(scaled(1))
    const waiting = call(proxy, '/functions/fn')
    await until(async () => (await proxy.stats()).functions[0]!.inflight === 1, 'it waits')
    const closed = proxy.close()
    const { lines } = follow()
    await until(() => lines.length > 0, 'the agent is asked')
    const { id, host, port } = await stage.http((_request, response) => response.end('awake'))
    const [route] = scaled(2, [{ id, host, port }]).routes
    await control.setRoute({ base: 1, generation: 2, route: route! })
    expect((await waiting).body).toBe('awake')
    await closed
    const hasty = await stage.proxy({ graceMs: 0 })
    await hasty.setRoutes(scaled(1))
    const lost = call(hasty, '/functions/fn')
    await until(async () => (await hasty.stats()).functions[0]!.inflight === 1, 'it waits')
    await hasty.close()
    expect(await lost).toMatchObject({ status: 503, code: 'FUNCTION_UNAVAILABLE' })
  })

  it('ends with the proxy; there is none where nobody answers', async () => {
    const proxy = await stage.proxy({ controlPath })
    const { ended, opened } = follow()
    await opened()
    const failed = ended.catch((error: unknown) => error)
    await proxy.close()
    expect(await failed).toBeInstanceOf(ControlError)
    await expect(follow().ended).rejects.toBeInstanceOf(ControlError)
  })

  it('is asked of an agent again by a proxy that has restarted: the disk says who is frozen', async () => {
    const { id, host, port } = await stage.http((_request, response) => response.end('awake'))
    const instance = { id, host, port }
    const first = await stage.proxy({ controlPath, routesFile })
    await first.setRoutes(scaled(1, [instance]))
    const [route] = scaled(2, [{ ...instance, isFrozen: true }]).routes
    await (
      await control.setRoute({ base: 1, generation: 2, route: route! })
    ).settled
    await first.close()
    // The agent is down at first.
    const second = await stage.proxy({ controlPath, routesFile })
    const waiting = call(second, '/functions/fn')
    await until(async () => (await second.stats()).functions[0]!.inflight === 1, 'it waits')
    const { lines } = follow()
    await until(() => lines.length > 0, 'the agent is asked')
    expect(lines[0]).toMatchObject({ waiting: 1 })
    const [awake] = scaled(3, [instance]).routes
    await control.setRoute({ base: 2, generation: 3, route: awake! })
    expect((await waiting).body).toBe('awake')
  })
})

function put(body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const request = http.request({ socketPath: controlPath, method: 'PUT', path: '/routes', headers, agent: false })
    request.on('response', response => resolve(response.resume().statusCode!))
    request.on('error', reject)
    request.end(body)
  })
}

it('a restarted proxy serves the last table before anyone pushes', async () => {
  const { id, host, port } = await stage.http((_request, response) => response.end('ok'))
  const first = await stage.proxy({ routesFile })
  await first.setRoutes(table(3, [{ id, host, port }]))
  await first.close()
  expect(JSON.parse(await readFile(routesFile, 'utf8'))).toMatchObject({ generation: 3 })
  const second = await stage.proxy({ routesFile })
  expect((await call(second, '/functions/fn')).body).toBe('ok')
  await expect(second.setRoutes(table(2))).rejects.toThrow(StaleTableError)
})

it('a routes file that is no table is set aside', async () => {
  await writeFile(routesFile, '{"generation":')
  const proxy = await stage.proxy({ routesFile })
  expect((await proxy.stats()).generation).toBe(-1)
  expect(await readFile(`${routesFile}.broken`, 'utf8')).toBe('{"generation":')
  await proxy.setRoutes(table(1))
  expect(JSON.parse(await readFile(routesFile, 'utf8'))).toMatchObject({ generation: 1 })
})

it('a control socket that a dead process left is replaced, one in use is not', async () => {
  await writeFile(controlPath, '')
  await stage.proxy({ controlPath })
  await expect(stage.proxy({ controlPath })).rejects.toMatchObject({ code: 'EADDRINUSE' })
  expect((await control.health()).status).toBe('ok')
})

it('the client says so if there is no proxy', async () => {
  await expect(control.stats()).rejects.toThrow(/no answer from the proxy/)
})
