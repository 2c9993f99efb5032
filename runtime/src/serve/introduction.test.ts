import { connect } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { send, serveNode, serveWeb } from '../testing/serve-handler.ts'
import { until } from '../testing/until.ts'

const asked = { headers: { 'x-ryo-faas-instance': 'i1' } }

/** All that comes back for `request` until `end` is in it. */
async function raw(port: number, { request, end }: { request: string; end: string }): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let answer = ''
  socket.on('data', piece => (answer += piece.toString('latin1')))
  socket.write(request)
  await until(async () => answer.includes(end))
  socket.destroy()
  return answer
}

test('an instance that is requested by name identifies itself, ahead of its answer', async () => {
  await using served = await serveNode((_request, response) => void response.end('done'))
  const answer = await raw(served.port, {
    request: 'GET / HTTP/1.1\r\nHost: a\r\nX-Ryo-Faas-Instance: i1\r\n\r\n',
    end: 'done',
  })
  expect(answer).toMatch(/^HTTP\/1.1 102 Processing\r\nx-ryo-faas-instance: i1\r\n\r\nHTTP\/1.1 200 OK\r\n/)
  expect(answer.match(/x-ryo-faas-instance/g)).toHaveLength(1)
})

test('also ahead of what a handler writes to the socket itself', async () => {
  await using served = await serveNode(request => void request.socket.end('HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\nown'))
  const answer = await raw(served.port, {
    request: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\nX-Ryo-Faas-Instance: i1\r\n\r\n',
    end: 'own',
  })
  expect(answer).toMatch(/^HTTP\/1.1 102 Processing\r\nx-ryo-faas-instance: i1\r\n\r\nHTTP\/1.1 101 X\r\n/)
})

test('an instance that is not requested by name does not identify itself', async () => {
  await using served = await serveNode((_request, response) => void response.end('done'))
  const answer = await raw(served.port, { request: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', end: 'done' })
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
})

test('a request for another instance is refused with 421 and runs nothing, its health included', async () => {
  let ran = 0
  await using served = await serveNode((_request, response) => void response.end(String((ran += 1))))
  for (const path of ['/', '/.ryo-faas/health', '/.ryo-faas/events/on']) {
    const headers = { 'X-Ryo-Faas-Instance': 'i2' }
    const answer = await send(served.port, { method: 'POST', path, headers }, 'x'.repeat(100_000))
    expect(answer.status).toBe(421)
    expect(answer.headers['x-ryo-faas-instance']).toBe('i1')
  }
  expect(ran).toBe(0)
})

test('no handler sees the name: not in headers, nor in raw ones, in neither style', async () => {
  await using node = await serveNode((request, response) => void response.end(JSON.stringify(all(request))))
  await using web = await serveWeb(request => Response.json([...request.headers]))
  for (const { port } of [node, web]) {
    const { status, body } = await send(port, asked)
    expect(status).toBe(200)
    expect(body.toLowerCase()).not.toContain('ryo-faas-instance')
    expect(body.toLowerCase()).toContain('host')
  }
})

function all({ headers, headersDistinct, rawHeaders }: IncomingMessage) {
  return { headers, headersDistinct, rawHeaders }
}
