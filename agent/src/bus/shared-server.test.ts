/** Two platforms on one server: each finds its own, by the names that it knows, and never what is the other's. */
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import type { Bus } from './bus.ts'
import { durableConsumer } from './consumers.ts'
import type { StreamDelivery } from './delivery.ts'
import { lastMessage, messageAt, nextMessage, removeMessage, writtenOnce } from './messages.ts'
import { OrderedReader } from './ordered-reader.ts'
import { Puller } from './puller.ts'
import { scanHeads } from './scan.ts'
import { purge, streamState, subjectsIn } from './stream-state.ts'
import { ensureStreams, removeStreams } from './streams.ts'
import { EVENT_SUBJECTS, eventSubject, idempotencySubject, STREAMS, subjectOf, subjectsOf } from './subjects.ts'
import { connectBus } from './bus.ts'
import { managerOf, startNats, type TestNats } from './testing/nats-server.ts'

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV-fn'
const [CALL, STATE] = [subjectOf('call', ID), subjectOf('state', ID)]

let nats: TestNats
let [shop, blog]: Bus[] = []
const buses: Bus[] = []

const connect = async (project: string | undefined) => {
  const { url, user, password } = nats
  const bus = await connectBus({ url, user, password, name: 'test', project })
  buses.push(bus)
  return bus
}
const text = (data: Uint8Array | undefined) => data && Buffer.from(data).toString()
const publish = (bus: Bus, subject: string, data: string) => bus.publish(subject, Buffer.from(data))

beforeAll(async () => {
  nats = await startNats()
  ;[shop, blog] = [await connect('shop'), await connect('blog')]
  await ensureStreams(shop)
  await ensureStreams(blog)
})
afterAll(async () => {
  await Promise.all(buses.map(bus => bus.close()))
  await nats.stop()
})

it('messages, their subjects and what is known of them are each platform’s own', async () => {
  await publish(shop!, STATE, 'of the shop')
  await publish(blog!, STATE, 'of the blog')
  await publish(shop!, idempotencySubject('d'), 'of the shop')
  for (const [bus, words] of [
    [shop!, 'of the shop'],
    [blog!, 'of the blog'],
  ] as const) {
    const last = await lastMessage(bus, STREAMS.states, STATE)
    expect([last?.subject, text(last?.data), last?.sequence]).toEqual([STATE, words, 1])
    expect((await messageAt(bus, STREAMS.states, 1))?.subject).toBe(STATE)
    const next = { subject: subjectsOf('state'), sequence: 1 }
    expect(text((await nextMessage(bus, STREAMS.states, next))?.data)).toBe(words)
    expect(await subjectsIn(bus, STREAMS.states, subjectsOf('state'))).toEqual([STATE])
    const range = { filter: subjectsOf('state'), from: 1, to: 10 }
    expect((await scanHeads(bus, STREAMS.states, range)).map(({ subject }) => subject)).toEqual([STATE])
  }
  expect(text((await lastMessage(shop!, STREAMS.idempotency, idempotencySubject('d')))?.data)).toBe('of the shop')
  expect(await lastMessage(blog!, STREAMS.idempotency, idempotencySubject('d'))).toBeUndefined()
  expect(await purge(shop!, STREAMS.states, { subject: STATE })).toBe(1)
  expect((await streamState(blog!, STREAMS.states)).messages).toBe(1)
  await removeMessage(blog!, STREAMS.states, 1)
  expect((await streamState(blog!, STREAMS.states)).messages).toBe(0)
})

it('messages are asked of the server that orders the writes: a replica may be behind', async () => {
  const { sequence } = await publish(shop!, STATE, 'newest')
  const { streams } = managerOf(shop!)
  // Replicas do not answer then.
  await streams.update('rfa-shop_states', { allow_direct: false })
  const read = await Promise.all([
    lastMessage(shop!, STREAMS.states, STATE),
    nextMessage(shop!, STREAMS.states, { subject: subjectsOf('state'), sequence }),
    messageAt(shop!, STREAMS.states, sequence),
  ])
  await streams.update('rfa-shop_states', { allow_direct: true })
  expect(read.map(message => text(message?.data))).toEqual(['newest', 'newest', 'newest'])
})

it('what is written once is read from any replica, and from the server that orders the writes if that one has not got it yet', async () => {
  const { sequence } = await publish(shop!, STATE, 'written once')
  const { direct } = managerOf(shop!)
  const replica = vi.spyOn(direct, 'getMessage')
  onTestFinished(() => replica.mockRestore())
  const read = async () => text((await writtenOnce(shop!, STREAMS.states, { seq: sequence }))?.data)
  expect(await read()).toBe('written once')
  // As a replica answers that is behind.
  replica.mockRejectedValueOnce(Object.assign(new Error('message not found'), { code: '404' }))
  expect([await read(), replica.mock.calls.length]).toEqual(['written once', 2])
})

it('what is told, and the heads that the server repeats, reach listeners of that platform', async () => {
  const heard: string[] = []
  const listen = (bus: Bus, name: string) => {
    for (const kind of ['cancel', 'accepted'] as const)
      bus.listen(subjectsOf(kind), ({ subject }) => heard.push(`${name} ${subject}`))
  }
  listen(shop!, 'shop')
  listen(blog!, 'blog')
  await Promise.all([shop!.flush(), blog!.flush()])
  blog!.tell(subjectOf('cancel', ID))
  await publish(blog!, CALL, 'a call')
  await untilTrue(() => heard.length === 2, 'both are heard')
  await publish(shop!, CALL, 'another')
  await untilTrue(() => heard.length === 3, 'that of the shop is heard')
  expect(heard.sort()).toEqual([
    `blog ${subjectOf('accepted', ID)}`,
    `blog ${subjectOf('cancel', ID)}`,
    `shop ${subjectOf('accepted', ID)}`,
  ])
})

it('consumers of the same name take the messages of their own platform', async () => {
  const taken: string[] = []
  const take = (bus: Bus, name: string) => {
    const puller = new Puller(bus, {
      stream: STREAMS.calls,
      ensure: durableConsumer(STREAMS.calls, { name: 'fn-fn', filter: subjectsOf('call', 'fn'), ackWaitMs: 10_000 }),
      slots: () => ({ free: 1, all: 1 }),
      onRefused: reason => taken.push(`refused: ${reason}`),
      onDelivery: delivery => {
        taken.push(`${name} ${delivery.subject} ${text(delivery.data)}`)
        delivery.ack()
      },
    })
    puller.start()
    return puller
  }
  const pullers = [take(shop!, 'shop'), take(blog!, 'blog')]
  await untilTrue(async () => (await streamState(shop!, STREAMS.calls)).messages === 0, 'the shop has taken its own')
  await untilTrue(async () => (await streamState(blog!, STREAMS.calls)).messages === 0, 'so has the blog')
  await Promise.all(pullers.map(puller => puller.stop()))
  expect(taken.sort()).toEqual([`blog ${CALL} a call`, `shop ${CALL} another`])
})

it('readers of the log of events see one log', async () => {
  const event = { kind: 'new-doc', table: 't', id: 'a' } as const
  await publish(blog!, eventSubject(event), 'of the blog')
  await publish(shop!, eventSubject(event), 'of the shop')
  const seen: StreamDelivery[] = []
  const reader = new OrderedReader(shop!, {
    ...{ stream: STREAMS.events, name: 'reader', filters: [EVENT_SUBJECTS], after: 0 },
    slots: () => ({ free: 10, all: 10 }),
    onMessage: message => seen.push(message),
    onRefused: reason => expect.unreachable(reason),
  })
  reader.start()
  await untilTrue(() => seen.length === 1, 'its event has come')
  expect([seen[0]!.subject, text(seen[0]!.data), await reader.pending()]).toEqual([
    eventSubject(event),
    'of the shop',
    0,
  ])
  expect(await reader.seenUpTo()).toBe(1)
  await reader.stop()
})

it('a server of our own has the names of before beside them, and removing takes one platform’s streams', async () => {
  const own = await connect(undefined)
  await ensureStreams(own)
  const names = async () => (await managerOf(own).streams.names().next()).sort()
  expect(await names()).toHaveLength(3 * Object.keys(STREAMS).length)
  expect(await removeStreams(shop!)).toBe(Object.keys(STREAMS).length)
  expect(await removeStreams(shop!)).toBe(0)
  expect((await names()).filter(name => name.includes('shop'))).toEqual([])
  expect(await removeStreams(blog!)).toBe(Object.keys(STREAMS).length)
  expect(await names()).toEqual(Object.values(STREAMS).sort())
})
