import http from 'node:http'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { call, idOf, Stage, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
})
afterEach(() => stage.end())

const version = (text: string) =>
  stage.http((request, response) => request.resume().on('end', () => response.end(text)))

it('an instance that leaves the routes loses its idle connections at once', async () => {
  const old = await version('old')
  await stage.serve(proxy, [old])
  await Promise.all(Array.from({ length: 5 }, () => call(proxy, '/functions/fn')))
  expect(old.connections.size).toBeGreaterThan(0)
  await stage.serve(proxy, [await version('new')])
  await until(() => old.connections.size === 0, 'idle connections are closed')
  expect((await call(proxy, '/functions/fn')).body).toBe('new')
})

it('what is in flight there finishes first, and its connection is not kept', async () => {
  const held: http.ServerResponse[] = []
  const old = await stage.http((_request, response) => void held.push(response))
  await stage.serve(proxy, [old])
  const running = call(proxy, '/functions/fn')
  await until(() => held.length === 1, 'the call runs')
  await stage.serve(proxy, [await version('new')])
  expect((await call(proxy, '/functions/fn')).body).toBe('new')
  held[0]!.end('finished')
  expect((await running).body).toBe('finished')
  await until(() => old.connections.size === 0, 'its connection is closed')
})

it('an instance that stays in the routes keeps its connections', async () => {
  const stays = await version('stays')
  await stage.serve(proxy, [stays])
  await call(proxy, '/functions/fn')
  const [connection] = stays.connections
  await stage.serve(proxy, [stays, await version('new')])
  expect([...stays.connections]).toEqual([connection])
})

/** An instance that drains as the runtime does: refuses new work, closes idle connections, lets the rest finish. */
async function drainable(text: string) {
  let isDraining = false
  const servers: http.Server[] = []
  const instance = await stage.http(function (this: http.Server, request, response) {
    if (!servers.includes(this)) servers.push(this)
    request.resume().on('end', () => {
      if (isDraining)
        response.writeHead(503, {
          'x-ryo-faas-error': 'FUNCTION_UNAVAILABLE',
          'x-ryo-faas-error-from': idOf(request),
          connection: 'close',
        })
      response.end(text)
    })
  })
  const drain = () => {
    isDraining = true
    for (const server of servers) {
      server.close()
      server.closeIdleConnections()
    }
  }
  return { instance, drain }
}

it('no call fails while ten versions follow each other under load, POST included', async () => {
  let current = await drainable('v0')
  await stage.serve(proxy, [current.instance])
  const agent = new http.Agent({ keepAlive: true })
  stage.onEnd(() => agent.destroy())
  let isOver = false
  let calls = 0
  const failures: string[] = []
  const client = async (method: string) => {
    while (!isOver) {
      const options = method === 'POST' ? { method, body: 'x'.repeat(10_000) } : { method }
      const answer = await call(proxy, '/functions/fn', { ...options, agent }).catch((error: Error) => ({
        status: 0,
        body: error.message,
      }))
      calls += 1
      if (answer.status !== 200) failures.push(`${method} ${answer.status} ${answer.body}`)
    }
  }
  const clients = ['GET', 'POST', 'POST', 'PUT', 'POST', 'GET', 'POST', 'DELETE'].map(client)
  for (let n = 1; n <= 10; n += 1) {
    const next = await drainable(`v${n}`)
    const before = calls
    await until(() => calls > before + 20, 'calls flow')
    const old = current
    await stage.serve(proxy, [next.instance])
    old.drain()
    current = next
  }
  isOver = true
  await Promise.all(clients)
  expect(failures).toEqual([])
  expect(calls).toBeGreaterThan(200)
})
