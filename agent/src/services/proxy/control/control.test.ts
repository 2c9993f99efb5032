import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ProxyControl } from './proxy-control.ts'
import { ControlError, StaleTableError, type RouteTableInput } from '../../../routes/index.ts'
import { call, Stage } from '../proxy-testing.ts'

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
