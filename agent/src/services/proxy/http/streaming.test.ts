import http from 'node:http'
import net from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { call, Stage, text, until } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

const MIB = 1024 * 1024

let stage: Stage
let proxy: Proxy

beforeEach(async () => {
  stage = new Stage()
  proxy = await stage.proxy()
})
afterEach(() => stage.end())

function* pieces(totalBytes: number): Generator<Buffer> {
  const piece = Buffer.alloc(64 * 1024, 'x')
  for (let sent = 0; sent < totalBytes; sent += piece.length) yield piece
}

const open = (options: http.RequestOptions) => {
  const request = http.request({ host: '127.0.0.1', port: proxy.address.port, path: '/functions/fn', ...options })
  stage.onEnd(() => void request.destroy())
  request.on('error', () => {})
  const response = new Promise<http.IncomingMessage>(resolve => request.on('response', resolve))
  return { request, response }
}

it.each(['with a length', 'in chunks'])('carries 48 MiB up and down %s, byte for byte', async how => {
  const total = 48 * MIB
  const headers: http.OutgoingHttpHeaders = how === 'in chunks' ? {} : { 'content-length': total }
  const instance = await stage.http((request, response) => {
    response.writeHead(200, headers)
    void pipeline(request, response)
  })
  await stage.serve(proxy, [instance], { timeoutMs: 60_000 })
  const { request, response } = open({ method: 'POST', headers: how === 'in chunks' ? {} : headers })
  const sent = pipeline(Readable.from(pieces(total)), request)
  let received = 0
  for await (const piece of await response) {
    received += (piece as Buffer).length
  }
  await sent
  expect(received).toBe(total)
})

it('keeps chunks and their end in order, call after call on one connection', async () => {
  const instance = await stage.http((request, response) => void request.pipe(response))
  await stage.serve(proxy, [instance])
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  stage.onEnd(() => agent.destroy())
  for (let i = 0; i < 50; i += 1) {
    const answer = await call(proxy, '/functions/fn', { method: 'POST', body: `echo ${i}`, agent })
    expect(answer).toMatchObject({ status: 200, body: `echo ${i}` })
  }
})

it('reuses a connection whose last piece met a client that was slower', async () => {
  const body = Buffer.alloc(1_000_000, 'abc')
  const instance = await stage.http((_request, response) => response.end(body))
  await stage.serve(proxy, [instance])
  for (let i = 0; i < 10; i += 1) expect((await call(proxy, '/functions/fn')).body.length).toBe(body.length)
  expect(instance.connections.size).toBe(1)
})

it('stops reading from the function while the client does not read, and the other way round', async () => {
  let written = 0
  const source = await stage.http((_request, response) => {
    const pump = () => {
      while (written < 200 * MIB) {
        written += 64 * 1024
        if (!response.write(Buffer.alloc(64 * 1024))) break
      }
    }
    response.on('drain', pump)
    pump()
  })
  await stage.serve(proxy, [source])
  const socket = net.connect(proxy.address.port, '127.0.0.1')
  stage.onEnd(() => void socket.destroy())
  socket.on('error', () => {})
  socket.pause()
  socket.write('GET /functions/fn HTTP/1.1\r\nHost: a\r\n\r\n')
  let last = -1
  await until(async () => {
    if (written > 0 && written === last) return true
    last = written
    await new Promise(resolve => setTimeout(resolve, 100))
    return false
  }, 'the source is held up')
  expect(written).toBeLessThan(100 * MIB)
  socket.destroy()

  const paused = await stage.http(request => void request.pause())
  await stage.serve(proxy, [paused])
  const { request } = open({ method: 'POST' })
  let isHeldUp = false
  for (const piece of pieces(200 * MIB)) {
    if (request.write(piece)) continue
    const drained = new Promise<boolean>(resolve => request.once('drain', () => resolve(true)))
    const late = new Promise<boolean>(resolve => setTimeout(() => resolve(false), 300))
    if (!(await Promise.race([drained, late]))) {
      isHeldUp = true
      break
    }
  }
  expect(isHeldUp).toBe(true)
})

it('passes an answer on before the request has ended, piece by piece', async () => {
  const echo = await stage.http((request, response) => {
    response.flushHeaders()
    request.on('data', (piece: Buffer) => response.write(piece))
    request.on('end', () => response.end('!'))
  })
  await stage.serve(proxy, [echo])
  const { request, response } = open({ method: 'POST' })
  request.flushHeaders()
  const answer = await response
  const iterator = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  for (const word of ['one', 'two', 'three']) {
    request.write(word)
    expect((await iterator.next()).value?.toString()).toBe(word)
  }
  request.end()
  expect((await iterator.next()).value?.toString()).toBe('!')
})

it('aborts the function at once when the client goes away: before, in and after the head', async () => {
  for (const stageOfAnswer of ['none', 'head', 'body']) {
    let isRunning = false
    let isAborted = false
    const instance = await stage.http((request, response) => {
      isRunning = true
      response.on('close', () => (isAborted = true))
      request.resume()
      if (stageOfAnswer === 'head') response.flushHeaders()
      if (stageOfAnswer === 'body') response.write('x')
    })
    await stage.serve(proxy, [instance])
    const { request, response } = open({ method: 'GET' })
    request.end()
    await until(() => isRunning, 'the function runs')
    if (stageOfAnswer !== 'none') await response
    request.destroy()
    await until(() => isAborted, `the function hears of it (${stageOfAnswer})`)
  }
  const [stats] = (await proxy.stats()).functions
  expect(stats).toMatchObject({ calls: 3, errors: 0, inflight: 0 })
})

it('aborts the function when the client goes away in the middle of its body', async () => {
  let bytes = 0
  let isAborted = false
  const instance = await stage.http(request => {
    request.on('data', (piece: Buffer) => (bytes += piece.length))
    request.on('error', () => {})
    request.on('close', () => (isAborted = true))
  })
  await stage.serve(proxy, [instance])
  const { request } = open({ method: 'POST', headers: { 'content-length': 1000 } })
  request.write('half')
  await until(() => bytes === 4, 'half of the body is there')
  request.destroy()
  await until(() => isAborted, 'the function hears of it')
})

it('lets a client read an answer that came before it had sent everything, and keeps no connection in doubt', async () => {
  const early = await stage.http((_request, response) => {
    response.statusCode = 413
    response.end('too much')
  })
  await stage.serve(proxy, [early])
  const { request, response } = open({ method: 'POST', headers: { 'content-length': 10 * MIB } })
  request.write(Buffer.alloc(100_000))
  const answer = await response
  expect(await text(answer)).toBe('too much')
  expect(answer.statusCode).toBe(413)
  await until(() => early.connections.size === 0, 'the connection is closed')
})

it('a slow byte-by-byte answer is read as well as a fast one', async () => {
  const answer =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A:\tb \r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n'
  const slow = await stage.raw(socket => {
    socket.setNoDelay(true)
    socket.on('data', async () => {
      for (const byte of answer) await new Promise<void>(resolve => socket.write(byte, () => setImmediate(resolve)))
    })
  })
  await stage.serve(proxy, [slow])
  for (let i = 0; i < 2; i += 1) {
    expect(await call(proxy, '/functions/fn')).toMatchObject({ body: 'abc0123456789', headers: { 'x-a': 'b' } })
  }
  expect(slow.connections.size).toBe(1)
})
