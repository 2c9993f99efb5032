import Fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { AgentClient } from '../client/index.ts'
import { openLineStream, type LineStream } from './line-stream.ts'

async function serve(opened: (stream: LineStream) => void): Promise<string> {
  const fastify = Fastify({ forceCloseConnections: true })
  onTestFinished(() => fastify.close())
  fastify.get('/v1/events', (request, reply) => {
    opened(openLineStream(request, reply, 1))
    return reply
  })
  return fastify.listen({ host: '127.0.0.1', port: 0 })
}

test('a stream without news shows that it lives', async () => {
  const url = await serve(() => undefined)
  const { body } = await fetch(`${url}/v1/events`)
  const reader = body!.getReader()
  expect(new TextDecoder().decode((await reader.read()).value)).toMatch(/^\n+$/)
  await reader.cancel()
})

test('signs of life are no news', async () => {
  const url = await serve(stream => {
    // After some signs of life: timers of the same duration run in the order in which they were made.
    let rounds = 0
    const timer = setInterval(() => {
      if (++rounds < 5) return
      clearInterval(timer)
      stream.write({ type: 'hello' })
      stream.end()
    }, 1)
  })
  const events: unknown[] = []
  for await (const event of new AgentClient({ url, token: '' }).stream('events', {})) events.push(event)
  expect(events).toEqual([{ type: 'hello' }])
})
