import fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openLineStream, type LineStream } from './line-stream.ts'

let app: FastifyInstance
let stream: LineStream
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  app = fastify({ forceCloseConnections: true })
  app.get('/', (request, reply) => {
    stream = openLineStream(request, reply)
    return reply
  })
})
afterEach(async () => {
  vi.useRealTimers()
  await app.close()
})

test('a reader gets the head at once, and heartbeats while nothing happens', async () => {
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const response = await fetch(url)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  expect((await reader.read()).value).toBe('\n')
  stream.write({ n: 1 })
  expect((await reader.read()).value).toBe('{"n":1}\n')
  vi.advanceTimersByTime(15_000)
  expect((await reader.read()).value).toBe('\n')
  stream.end()
  expect((await reader.read()).done).toBe(true)
  expect(vi.getTimerCount()).toBe(0)
})
