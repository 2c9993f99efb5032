import { once } from 'node:events'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { signDepth } from '../../../access/index.ts'
import type { CallView } from '../../../contract/index.ts'
import { derivedCallId, STREAMS, streamState } from '../../../bus/index.ts'
import { listCalls, redriveDead } from '../../../calls/index.ts'
import { FUNCTIONS_KEY, Stage, until, type Received, type TestServer } from '../dispatcher-testing.ts'
import type { DispatchedTrigger } from '../options.ts'
import { readCheckpoint } from './checkpoint.ts'
import { TRIGGER_SOURCES } from './registry.ts'
import { trimStream } from './trim-stream.ts'

let stage: Stage

beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

const FROM_FIRST = { epoch: 1, from: { kind: 'sequence', sequence: 1 } } as const

function trigger(given: Partial<DispatchedTrigger> = {}): DispatchedTrigger {
  return {
    key: 'on',
    kind: 'document',
    filters: [{ table: 'payments', events: ['new-doc', 'updated-doc', 'deleted-doc'] }],
    start: FROM_FIRST,
    ...given,
  }
}

function sequenceOf({ body }: Received): number {
  return Number((JSON.parse(body.toString()) as DocumentCloudEvent).sequence)
}

function sequences({ received }: TestServer): number[] {
  return received.map(sequenceOf)
}

async function changes(count: number, given: Parameters<Stage['change']>[0] = {}): Promise<void> {
  for (let i = 0; i < count; i += 1) await stage.change(given)
}

async function calls(): Promise<CallView[]> {
  return (await listCalls(stage.bus, { limit: 1_000 })).calls
}

/** The saved position. */
async function place(name = 'fn.on'): Promise<number> {
  return (await readCheckpoint(stage.bus, name))?.checkpoint.sequence ?? -1
}

it('posts an event to the handler, with trace, baggage and depth, and shows it as a call', async () => {
  const proxy = await stage.server((_request, response) => response.writeHead(204).end())
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy)
  const event = await stage.change({ kind: 'new-doc', id: 'a b/😀', depth: 2, baggage: 'k=v' })
  await until(() => proxy.received.length === 1, 'it came')
  const [request] = proxy.received
  expect(request).toMatchObject({ method: 'POST', url: '/functions/fn/.ryo-faas/events/on', attempt: 1 })
  expect(request!.headers).toMatchObject({
    'content-type': 'application/cloudevents+json',
    'x-event-depth': signDepth(FUNCTIONS_KEY, 3),
    baggage: 'k=v',
    'x-request-id': 'event-1',
  })
  expect(JSON.parse(request!.body.toString())).toEqual(event)
  expect(await stage.final(request!.callId)).toMatchObject({ status: 'succeeded', function: 'fn' })
})

it('receives the kinds, tables and documents it asks for and no others', async () => {
  const proxy = await stage.server()
  await stage.deploy({
    triggers: [
      trigger({
        filters: [
          { table: 'payments', events: ['new-doc'] },
          { table: 'orders.old', events: ['new-doc', 'deleted-doc'], ids: ['o 1', 'o*'] },
        ],
      }),
    ],
  })
  await stage.dispatcher(proxy)
  await stage.change({ kind: 'new-doc', id: 'p1' })
  await stage.change({ kind: 'updated-doc', id: 'p1' })
  await stage.change({ kind: 'new-doc', table: 'payment', id: 'p1' })
  await stage.change({ kind: 'deleted-doc', table: 'orders.old', id: 'o 1' })
  await stage.change({ kind: 'deleted-doc', table: 'orders.old', id: 'o2' })
  await stage.change({ kind: 'new-doc', table: 'orders.old', id: 'o*' })
  await stage.change({ kind: 'new-doc', id: 'p2' })
  await until(() => proxy.received.length >= 4, 'all came')
  expect(sequences(proxy).sort()).toEqual([1, 4, 6, 7])
})

it('keeps the order of a document while others continue, also across retries', async () => {
  const failures = new Map([[1, 2]])
  const proxy = await stage.server((request, response) => {
    const left = failures.get(sequenceOf(request)) ?? 0
    failures.set(sequenceOf(request), left - 1)
    response.writeHead(left > 0 ? 500 : 204).end()
  })
  await stage.deploy({ triggers: [trigger()], async: { concurrency: 4 } })
  await stage.dispatcher(proxy)
  await stage.change({ id: 'a' })
  await stage.change({ id: 'a' })
  await stage.change({ id: 'b' })
  await stage.change({ id: 'a' })
  await stage.change({ id: 'b' })
  await until(() => proxy.received.length === 7, 'all ran')
  const order = sequences(proxy)
  expect(order.filter(sequence => [1, 2, 4].includes(sequence))).toEqual([1, 1, 1, 2, 4])
  expect(order.filter(sequence => [3, 5].includes(sequence))).toEqual([3, 5])
  // The other document did not wait for the retries.
  expect(order.indexOf(5)).toBeLessThan(order.indexOf(2))
})

it('makes an event that always fails a dead letter, continues after it, and runs it after a redrive', async () => {
  let isBroken = true
  const proxy = await stage.server((request, response) => {
    response.writeHead(isBroken && sequenceOf(request) === 1 ? 500 : 204).end()
  })
  await stage.deploy({ triggers: [trigger()], async: { attempts: 2 } })
  await stage.dispatcher(proxy)
  await changes(2)
  await until(() => proxy.received.length === 3, 'the second ran')
  expect(sequences(proxy)).toEqual([1, 1, 2])
  const dead = await stage.final(proxy.received[0]!.callId)
  expect(dead).toMatchObject({ status: 'dead', function: 'fn' })
  isBroken = false
  expect(await redriveDead(stage.bus, 'fn')).toBe(1)
  await until(async () => (await stage.view(dead.id)).status === 'succeeded', 'it ran after all')
})

it('resumes after a restart, and runs nothing twice', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger()] })
  const first = await stage.dispatcher(proxy)
  await changes(20)
  await until(() => proxy.received.length === 20, 'the first half ran')
  await first.close()
  await changes(20)
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length >= 40, 'the second half ran')
  expect(sequences(proxy)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1))
})

it('resumes where an earlier release was, with the ids of its calls', async () => {
  const proxy = await stage.server()
  await changes(2)
  await stage.bus.publish('$KV.rfa_triggers.fn.on', Buffer.from('{"epoch":1,"sequence":2}'))
  const event = await stage.change()
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length === 1, 'the third ran')
  expect(sequences(proxy)).toEqual([3])
  expect(proxy.received[0]!.callId).toBe(derivedCallId('fn', Date.parse(event.time), 'fn.on.1.3'))
})

it('misses nothing and keeps the order when it is killed in the middle', async () => {
  const held = new Set<number>()
  const proxy = await stage.server((request, response) => {
    // A few never end, so that the kill always interrupts some.
    if (held.size < 3 && sequenceOf(request) > 60) held.add(sequenceOf(request))
    else response.end()
  })
  await stage.deploy({ triggers: [trigger()], async: { concurrency: 8 } })
  const child = await stage.process(proxy)
  for (let i = 0; i < 200; i += 1) await stage.change({ id: `d${i % 10}` })
  await until(() => held.size === 3, 'three hang')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  await stage.dispatcher(proxy)
  await until(() => new Set(sequences(proxy)).size === 200, 'every event ran')
  await until(async () => (await place()) === 200, 'all are done')
  for (let document = 0; document < 10; document += 1) {
    const firsts = [...new Set(sequences(proxy).filter(sequence => (sequence - 1) % 10 === document))]
    expect(firsts).toEqual(firsts.toSorted((a, b) => a - b))
  }
})

it('resumes when the bus is killed and comes back', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger()], async: { concurrency: 2 } })
  await stage.dispatcher(proxy)
  for (let i = 0; i < 50; i += 1) await stage.change({ id: `d${i % 5}` })
  await until(() => proxy.received.length > 5, 'some ran')
  await stage.nats.kill()
  await stage.nats.start()
  await until(async () => (await stage.change({ id: 'last' })) !== undefined, 'the bus takes events')
  await until(() => new Set(sequences(proxy)).size === 51, 'every event ran')
  await until(async () => (await calls()).every(({ status }) => status === 'succeeded'), 'all succeeded')
})

it('starts where it is told, and again with a later epoch', async () => {
  const proxy = await stage.server()
  await changes(5)
  await stage.deploy({ triggers: [trigger({ start: { epoch: 1, from: { kind: 'sequence', sequence: 4 } } })] })
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length === 2, 'the last two ran')
  expect(sequences(proxy)).toEqual([4, 5])
  await stage.deploy({ triggers: [trigger({ start: { epoch: 2, from: { kind: 'sequence', sequence: 2 } } })] })
  await until(() => proxy.received.length === 6, 'the replay ran')
  expect(sequences(proxy)).toEqual([4, 5, 2, 3, 4, 5])
  expect(new Set(proxy.received.map(({ callId }) => callId)).size).toBe(6)
  // An older file says nothing new.
  await stage.deploy({ triggers: [trigger({ start: { epoch: 1, from: { kind: 'sequence', sequence: 1 } } })] })
  await stage.change()
  await until(() => proxy.received.length === 7, 'the next ran')
  expect(sequences(proxy).at(-1)).toBe(6)
})

it('starts with the next stored event if its start is ahead of the stream', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger({ start: { epoch: 1, from: { kind: 'sequence', sequence: 3 } } })] })
  await stage.dispatcher(proxy)
  // The relay is behind: what it brings first was written before the subscription.
  await changes(4)
  await until(() => proxy.received.length === 2, 'it began')
  expect(sequences(proxy)).toEqual([3, 4])
})

it('starts at a time', async () => {
  const proxy = await stage.server()
  await changes(3)
  const then = Date.now()
  await until(() => Date.now() > then + 2, 'time passes')
  const time = new Date().toISOString()
  await changes(2)
  await stage.deploy({ triggers: [trigger({ start: { epoch: 1, from: { kind: 'time', time } } })] })
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length === 2, 'the last two ran')
  expect(sequences(proxy)).toEqual([4, 5])
})

it('stops a loop of events with an error that says so', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy, { eventDepthLimit: 3 })
  await stage.change({ depth: 3 })
  await stage.change({ depth: 4 })
  await stage.change()
  await until(() => proxy.received.length === 2, 'the others ran')
  expect(sequences(proxy)).toEqual([1, 3])
  await until(async () => (await calls()).length === 3, 'all are known')
  const failed = (await calls()).filter(({ status }) => status === 'failed')
  expect(failed).toMatchObject([{ error: { code: 'EVENT_LOOP' } }])
  expect(failed[0]!.error!.message).toMatch(/payments\/p1 .* chain of 4 document events.* FN seems to trigger itself/)
})

it('skips what is not an event, and says so', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy)
  await stage.change()
  await stage.bus.publish('rfa.store.new-doc.payments.p1', Buffer.from('{"half":'))
  await stage.change()
  await until(() => proxy.received.length === 2, 'the good ones ran')
  expect(stage.events).toContainEqual(expect.objectContaining({ type: 'trigger-failed', handler: 'on' }))
})

it('fetches an event that was too long for a message, also from a store that is down for a while', async () => {
  const proxy = await stage.server()
  const long = 'x'.repeat(1_500_000)
  const events: DocumentCloudEvent[] = []
  let asked = 0
  const store = await stage.server((request, response) => {
    asked += 1
    if (asked === 1) response.writeHead(503).end()
    else if (request.url === '/changes/1') response.end(JSON.stringify({ ...events[0], long }))
    else response.writeHead(404).end()
  })
  await stage.deploy({ triggers: [trigger()], async: { attempts: 1 } })
  events.push(await stage.change({ isElsewhere: true }))
  await stage.change({ isElsewhere: true })
  await stage.change()
  await stage.dispatcher(proxy, { storeUrl: store.url })
  await until(() => proxy.received.length === 2, 'those that are to be had ran')
  expect(sequences(proxy)).toEqual([1, 3])
  expect(proxy.received[0]!.body.length).toBeGreaterThan(1_500_000)
})

it('makes an event that is too long for a message a dead letter, and redrives it', async () => {
  let isBroken = true
  const proxy = await stage.server((_request, response) => response.writeHead(isBroken ? 500 : 204).end())
  const events: DocumentCloudEvent[] = []
  const store = await stage.server((_request, response) =>
    response.end(JSON.stringify({ ...events[0], long: 'x'.repeat(1_500_000) })),
  )
  await stage.deploy({ triggers: [trigger()], async: { attempts: 1 } })
  events.push(await stage.change({ isElsewhere: true }))
  await stage.dispatcher(proxy, { storeUrl: store.url })
  await until(() => proxy.received.length === 1, 'it ran')
  expect(await stage.final(proxy.received[0]!.callId)).toMatchObject({ status: 'dead' })
  isBroken = false
  await until(async () => (await redriveDead(stage.bus)) === 1, 'it is redriven')
  await until(() => proxy.received.length === 2, 'it ran again')
  expect(proxy.received[1]!.body.length).toBe(proxy.received[0]!.body.length)
})

it('shares triggers among dispatchers, each event run once', async () => {
  const proxy = await stage.server()
  const keys = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
  await stage.deploy({ triggers: keys.map(key => trigger({ key })) })
  await stage.dispatcher(proxy, { dispatchers: 2, number: 1 })
  await stage.dispatcher(proxy, { dispatchers: 2, number: 2 })
  await changes(10)
  await until(() => proxy.received.length >= 80, 'all ran')
  for (const key of keys) {
    const own = proxy.received.filter(({ url }) => url.endsWith(`/${key}`))
    expect(own.map(sequenceOf)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  }
})

it('gives up a trigger that another dispatcher takes', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy)
  await changes(1)
  await until(async () => (await place()) === 1, 'the first has it')
  const revision = async () => (await readCheckpoint(stage.bus, 'fn.on'))!.revision
  const ofFirst = await revision()
  await stage.dispatcher(proxy)
  await until(async () => (await revision()) > ofFirst, 'the second has taken it')
  await changes(5)
  await until(
    () => stage.events.some(event => event.type === 'trigger-failed' && event.reason.includes('by another')),
    'the first finds out',
  )
  await until(async () => (await place()) === 6, 'all are done')
})

it('does not take a trigger from a dispatcher that an agent started which led later', async () => {
  const [before, now] = [await stage.server(), await stage.server()]
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(now, { term: 2 })
  await changes(1)
  await until(async () => (await place()) === 1, 'the one of now has it')
  await stage.dispatcher(before, { term: 1 })
  const isRefused = () =>
    stage.events.some(event => event.type === 'trigger-failed' && event.reason.includes('leads now'))
  await until(isRefused, 'the one of before is refused')
  await changes(5)
  await until(async () => (await place()) === 6, 'all are done')
  expect([sequences(now), sequences(before)]).toEqual([[1, 2, 3, 4, 5, 6], []])
  const triggers = [{ name: 'fn.on', source: TRIGGER_SOURCES.document(stage.sourceDependencies) }]
  const later = { stream: STREAMS.events, retentionMs: 0, now: Date.now() + 10_000 }
  expect(await trimStream(stage.bus, triggers, { ...later, term: 1 })).toBe(0)
  expect(await trimStream(stage.bus, triggers, { ...later, term: 2 })).toBe(6)
  await stage.dispatcher(before, { term: 3 })
  await until(async () => (await readCheckpoint(stage.bus, 'fn.on'))!.term === 3, 'one of a later leader has it')
  // The one of now finds out when it saves: what comes before that may still run there.
  const runsThere = async () => {
    await changes(1)
    return sequences(before).length > 0
  }
  await until(runsThere, 'it runs there')
})

it('keeps events that a trigger has not seen, and trims those that all have', async () => {
  const proxy = await stage.server()
  await changes(10)
  const triggers = [{ name: 'fn.on', source: TRIGGER_SOURCES.document(stage.sourceDependencies) }]
  const now = Date.now() + 10_000
  expect(await trimStream(stage.bus, triggers, { stream: STREAMS.events, retentionMs: 0, now, term: 0 })).toBe(0)
  await stage.deploy({ triggers: [trigger()] })
  await stage.dispatcher(proxy)
  await until(async () => (await place()) === 10, 'all are seen')
  expect(await trimStream(stage.bus, triggers, { stream: STREAMS.events, retentionMs: 60_000, now, term: 0 })).toBe(0)
  expect(await trimStream(stage.bus, triggers, { stream: STREAMS.events, retentionMs: 0, now, term: 0 })).toBe(10)
  expect(await streamState(stage.bus, STREAMS.events)).toMatchObject({ messages: 0, lastSequence: 10 })
  await changes(1)
  await until(async () => (await place()) === 11, 'the next is seen')
})
