import { EventEmitter, on } from 'node:events'
import { expect, test } from 'vitest'
import type { AgentClient } from '../client/index.ts'
import type { PlatformEvent } from '../contract/index.ts'
import { PlatformChanges } from './platform-changes.ts'

/** An agent that tells what `events` emits, and counts who listens. */
function makeAgent() {
  const events = new EventEmitter<{ event: [PlatformEvent] }>()
  const stream = async function* (_: string, _input: object, signal: AbortSignal) {
    for await (const [event] of on(events, 'event', { signal }) as AsyncIterable<[PlatformEvent]>) yield event
  } as unknown as AgentClient['stream']
  return { events, connect: async () => ({ stream }), listeners: () => events.listenerCount('event') }
}

const isSettled = async (work: Promise<void>) => {
  const pending = Symbol()
  return (await Promise.race([work, Promise.resolve(pending)])) !== pending
}

test('a change ends the wait, also one that came between two; other events do not', async () => {
  const agent = makeAgent()
  const changes = new PlatformChanges(agent.connect)
  await changes.next(true)
  await expect.poll(agent.listeners).toBe(1)
  const next = changes.next(true)
  agent.events.emit('event', { type: 'traces-changed' })
  expect(await isSettled(next)).toBe(false)
  agent.events.emit('event', { type: 'platform-changed' })
  await next
  agent.events.emit('event', { type: 'platform-changed' })
  agent.events.emit('event', { type: 'deployment-changed', name: 'a' })
  await new Promise(setImmediate)
  const noted = changes.next(true)
  await new Promise(setImmediate)
  expect(await isSettled(noted)).toBe(true)
  changes.close()
  await expect.poll(agent.listeners).toBe(0)
})

test('without an agent, or one that cannot tell, the wait ends by itself', async () => {
  let asked = 0
  const changes = new PlatformChanges(() => {
    asked += 1
    return Promise.reject(new Error('nobody'))
  })
  await changes.next(false)
  expect(asked).toBe(0)
  await changes.next(true)
  await changes.next(true)
  expect(asked).toBe(2)
  changes.close()
})
