import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { EventStream } from './event-stream.ts'

let server: http.Server
let closes: number
/** Of each stream that was opened. */
let streams: EventStream[]
let answer: (response: ServerResponse) => void

const open = (response: ServerResponse, heartbeatMs = 60_000) =>
  void streams.push(new EventStream(response, { heartbeatMs, onClose: () => (closes += 1) }))

beforeEach(async () => {
  closes = 0
  streams = []
  answer = open
  server = http.createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

async function ask(): Promise<IncomingMessage> {
  const request = http.get({ host: '127.0.0.1', port: (server.address() as AddressInfo).port })
  request.on('error', () => undefined)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response.on('error', () => undefined)
}

it('sends events with and without an id, and nothing after its end', async () => {
  const response = await ask()
  expect(response.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  const [stream] = streams as [EventStream]
  stream.send([{ id: 7, data: 'a' }, { data: '{}' }])
  stream.end()
  stream.send([{ data: 'late' }])
  expect((await response.toArray()).join('')).toBe('id: 7\ndata: a\n\ndata: {}\n\n')
  await untilTrue(() => closes === 1, 'it is closed')
})

it('shows that it is alive while nothing is sent', async () => {
  answer = response => open(response, 5)
  const response = await ask()
  let text = ''
  response.on('data', piece => (text += piece))
  await untilTrue(() => text.startsWith(': \n\n: \n\n'), 'two heartbeats')
})

it('tells that the client has left', async () => {
  const response = await ask()
  response.destroy()
  await untilTrue(() => closes === 1, 'it is told')
  streams[0]!.send([{ data: 'late' }])
})

it('tells it also if the client left before', async () => {
  answer = response => {
    response.destroy()
    response.once('close', () => open(response))
  }
  await expect(once(http.get({ port: (server.address() as AddressInfo).port }), 'response')).rejects.toThrow()
  await untilTrue(() => closes === 1, 'it is told')
})

it('waits for a client that does not read, until the signal', async () => {
  const response = await ask()
  const [stream] = streams as [EventStream]
  const { signal } = new AbortController()
  await stream.taken(signal)
  const send = () => stream.send([{ data: 'x'.repeat(1_000_000) }])
  await untilTrue(() => {
    send()
    return stream.waitingBytes > 10_000_000
  }, 'it does not take more')
  await stream.taken(AbortSignal.abort())
  expect(stream.waitingBytes).toBeGreaterThan(0)
  response.resume()
  await stream.taken(signal)
  expect(stream.waitingBytes).toBe(0)
})
