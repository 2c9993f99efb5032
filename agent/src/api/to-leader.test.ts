import { once } from 'node:events'
import { createServer, connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Duplex } from 'node:stream'
import fastify, { type FastifyInstance } from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { RyoFaasError } from '../contract/index.ts'
import type { Following } from './platform.ts'
import { relayToLeader } from './to-leader.ts'

/** An agent: it says which one answered. `follows` may change at any time. */
async function agent(name: string, follows: { now: Following | undefined } = { now: undefined }) {
  const app = fastify({ forceCloseConnections: true })
  relayToLeader(app, { following: () => follows.now })
  app.setErrorHandler((error, _request, reply) => {
    const { status, code, message } = RyoFaasError.from(error)
    void reply.code(status).send({ error: { code, message } })
  })
  app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
  app.all('/*', async (request, reply) => {
    const { raw, headers, body } = request
    const sent = body === undefined || body === null ? '' : await text(body as Duplex)
    if (raw.url === '/v1/slow') reply.raw.on('close', () => (seen.closed += 1))
    if (raw.url === '/v1/stream') {
      reply.hijack()
      reply.raw.writeHead(200, { 'content-type': 'application/x-ndjson', 'x-by': name })
      return void reply.raw.write('{"n":1}\n')
    }
    if (raw.url === '/v1/slow') return new Promise(() => undefined)
    seen.requests += 1
    return reply.header('x-by', name).send({ url: raw.url, sent, authorization: headers.authorization })
  })
  const seen = { requests: 0, closed: 0 }
  await app.listen({ host: '127.0.0.1', port: 0 })
  onTestFinished(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return { app, port, seen, url: `http://127.0.0.1:${port}` }
}

const leads = (to: { port: number }): Following => ({
  connectLeader: async () => {
    const socket = connect(to.port, '127.0.0.1')
    await once(socket, 'connect')
    return socket
  },
})

async function pair() {
  const leader = await agent('leader')
  const follows: { now: Following | undefined } = { now: leads(leader) }
  return { leader, follows, second: await agent('second', follows) }
}

const by = (response: Response) => response.headers.get('x-by')

test('what is asked of an agent that stands by is answered by the one that leads, unread and unchanged', async () => {
  const { second } = await pair()
  const body = Buffer.alloc(3_000_000, 'x')
  const headers = { authorization: 'Bearer somebody', 'content-type': 'application/x-tar' }
  const response = await fetch(`${second.url}/v1/contents?a=%2F`, { method: 'POST', headers, body })
  expect(by(response)).toBe('leader')
  expect(await response.json()).toMatchObject({ url: '/v1/contents?a=%2F', authorization: 'Bearer somebody' })
  const streamed = await fetch(`${second.url}/v1/stream`)
  const reader = streamed.body!.getReader()
  expect(Buffer.from((await reader.read()).value!).toString()).toBe('{"n":1}\n')
  await reader.cancel()
})

test('what concerns itself it answers itself, and what reads files of this machine nobody does', async () => {
  const { second, leader } = await pair()
  expect(by(await fetch(`${second.url}/v1/platform`))).toBe('second')
  expect(by(await fetch(`${second.url}/healthz`))).toBe('second')
  const response = await fetch(`${second.url}/v1/deploys`, { method: 'POST', body: '{}' })
  expect([response.status, await response.json()]).toMatchObject([421, { error: { code: 'STANDS_BY' } }])
  expect(leader.seen.requests).toBe(0)
})

test('a request waits until somebody leads, this agent perhaps', async () => {
  const { second, follows, leader } = await pair()
  const absent: Following = { connectLeader: () => Promise.reject(new RyoFaasError('NOT_LEADING', 'nobody leads')) }
  follows.now = absent
  const other = fetch(`${second.url}/v1/keys`)
  const own = fetch(`${second.url}/v1/keys`, { method: 'POST', body: '{}' })
  follows.now = leads(leader)
  expect([by(await other), by(await own)]).toEqual(['leader', 'leader'])
  follows.now = absent
  const later = fetch(`${second.url}/v1/keys`)
  follows.now = undefined
  expect(by(await later)).toBe('second')
})

test('two that take each other for the leader do not pass a request to and fro', async () => {
  const one: { now: Following | undefined } = { now: undefined }
  const other: { now: Following | undefined } = { now: undefined }
  const [first, second] = [await agent('first', one), await agent('second', other)]
  one.now = leads(second)
  other.now = leads(first)
  const response = await fetch(`${first.url}/v1/keys`, { method: 'POST', body: '{}' })
  expect([response.status, await response.json()]).toMatchObject([503, { error: { code: 'NOT_LEADING' } }])
})

test('a leader that dies: what only reads is asked again, anything else is not sent twice', async () => {
  const { second, follows, leader } = await pair()
  const connections: Duplex[] = []
  const dying = createServer(socket => {
    connections.push(socket)
    socket
      .on('error', () => undefined)
      .once('data', () => {
        follows.now = leads(leader)
        socket.destroy()
      })
  })
  dying.listen(0, '127.0.0.1')
  await once(dying, 'listening')
  onTestFinished(() => void dying.close())
  const { port } = dying.address() as AddressInfo
  follows.now = leads({ port })
  expect(by(await fetch(`${second.url}/v1/keys`))).toBe('leader')
  follows.now = leads({ port })
  const written = await fetch(`${second.url}/v1/keys`, { method: 'POST', body: '{}' })
  expect([written.status, await written.json()]).toMatchObject([503, { error: { code: 'LEADER_LOST' } }])
  expect([connections.length, leader.seen.requests]).toEqual([2, 1])
})

test('a client that leaves is forgotten at the one that leads', async () => {
  const { second, leader } = await pair()
  const abort = new AbortController()
  const asked = fetch(`${second.url}/v1/slow`, { signal: abort.signal })
  await expect.poll(() => connectionsOf(leader.app)).toBe(1)
  abort.abort()
  await expect(asked).rejects.toThrow()
  await expect.poll(() => leader.seen.closed).toBe(1)
})

function connectionsOf(app: FastifyInstance): Promise<number> {
  return new Promise((resolve, reject) => app.server.getConnections((error, n) => (error ? reject(error) : resolve(n))))
}
