import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  ensureStreams,
  EVENT_HEADERS,
  eventSubject,
  messageAt,
  STREAMS,
  streamState,
  type Bus,
  type StoredMessage,
} from '../../../bus/index.ts'
import { managerOf, startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import type { DocumentStore } from '../documents/index.ts'
import { MemoryStore } from '../documents/testing/memory-store.ts'
import { openStore } from '../registry.ts'
import { until } from '../store-testing.ts'
import { Relay, type RelayPosition, type RelayState } from './relay.ts'

let nats: TestNats
let bus: Bus
let folder: string
let store: DocumentStore
const closers: (() => Promise<unknown> | void)[] = []

beforeEach(async () => {
  nats = await startNats()
  bus = await nats.connect()
  folder = await mkdtemp(join(tmpdir(), 'relay-'))
  store = await openStore({ dataFolder: folder, source: '/ryo-faas/test/store' })
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
  await store.close()
  await nats.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Running {
  relay: Relay
  states: RelayState[]
  position(): RelayPosition | undefined
  stop(): Promise<void>
}

async function start({
  saved,
  epoch = 'epoch-1',
  behindMs,
}: { saved?: RelayPosition | undefined; epoch?: string; behindMs?: number } = {}): Promise<Running> {
  const own = await nats.connect('relay')
  const states: RelayState[] = []
  let position: RelayPosition | undefined
  const relay = new Relay({
    ...{ bus: own, log: store, epoch, saved, ...(behindMs !== undefined && { behindMs }) },
    onPosition: moved => (position = moved),
    onState: state => states.push(state),
  })
  let stopping: Promise<void> | undefined
  const stop = () => (stopping ??= relay.close().then(() => own.close()))
  closers.push(stop)
  return { relay, states, position: () => position, stop }
}

async function put(id: string, data: unknown = 1): Promise<void> {
  await store.write([{ kind: 'put', table: 'a.b', id, data: JSON.stringify(data) }])
}

async function putMany(count: number, data: unknown = 1): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, n) => put(`d${n % 10}`, data)))
}

interface Stored {
  subject: string
  sequence: string
  isElsewhere: boolean
  text: string
}

async function stored(): Promise<Stored[]> {
  // A connection of its own: the test's may still be on its way back to a server that was killed.
  const reader = await nats.connect('reader')
  const { firstSequence, lastSequence } = await streamState(reader, STREAMS.events)
  const messages: StoredMessage[] = []
  for (let at = firstSequence; at <= lastSequence; at += 1)
    messages.push((await messageAt(reader, STREAMS.events, at))!)
  return messages.map(({ subject, header, data }) => ({
    subject,
    sequence: header(EVENT_HEADERS.sequence) ?? '',
    isElsewhere: header(EVENT_HEADERS.isElsewhere) === '1',
    text: data.toString('utf8'),
  }))
}

const sequences = async () => (await stored()).map(({ sequence }) => Number(sequence))
const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1)
const relayed = (running: Running, last: number) =>
  until(() => running.position()?.sequence === last, `${last} are relayed`)

it('carries every event once, in order, as it is in the log', async () => {
  await ensureStreams(bus)
  await putMany(100)
  const running = await start()
  await putMany(500)
  await relayed(running, 600)
  const messages = await stored()
  expect(messages.map(({ sequence }) => Number(sequence))).toEqual(upTo(600))
  for (const { subject, text, sequence } of messages) {
    expect(text).toBe((await store.event(Number(sequence)))!.text)
    const { kind, table, id } = (JSON.parse(text) as DocumentCloudEvent).data
    expect(subject).toBe(eventSubject({ kind, table, id }))
  }
})

it('carries every event once when several do it at once, and one of them stops', async () => {
  await ensureStreams(bus)
  await putMany(200)
  const running = [await start(), await start(), await start()]
  await putMany(300)
  await running[0]!.stop()
  await putMany(300)
  await relayed(running[1]!, 800)
  await relayed(running[2]!, 800)
  expect(await sequences()).toEqual(upTo(800))
  for (const { text, sequence } of await stored()) expect(text).toBe((await store.event(Number(sequence)))!.text)
})

it('carries the log of any kind of store', async () => {
  await store.close()
  store = new MemoryStore()
  await ensureStreams(bus)
  await putMany(100)
  const running = await start()
  await putMany(50)
  await relayed(running, 150)
  expect(await sequences()).toEqual(upTo(150))
})

it('says that an event too long for a message is elsewhere', async () => {
  await ensureStreams(bus)
  const running = await start()
  await put('small')
  await put('large', 'x'.repeat(800_000))
  await put('large', 'y'.repeat(800_000))
  await put('small')
  await relayed(running, 4)
  expect((await stored()).map(({ isElsewhere, text }) => [isElsewhere, text === ''])).toEqual([
    [false, false],
    [true, true],
    [true, true],
    [false, false],
  ])
})

it('asks the stream how far it is, whatever it remembers', async () => {
  await ensureStreams(bus)
  const first = await start()
  await putMany(50)
  await relayed(first, 50)
  await first.stop()
  await putMany(20)
  const second = await start({ saved: undefined })
  await relayed(second, 70)
  await second.stop()
  const third = await start({ saved: { sequence: 3, streamSequence: 3, streamCreated: 'then' } })
  await putMany(5)
  await relayed(third, 75)
  expect(await sequences()).toEqual(upTo(75))
})

it('sends nothing twice into a stream that was emptied meanwhile', async () => {
  await ensureStreams(bus)
  const first = await start()
  await putMany(10)
  await relayed(first, 10)
  const saved = first.position()
  await putMany(20)
  await relayed(first, 30)
  await first.stop()
  await managerOf(bus).streams.purge(STREAMS.events)
  await putMany(5)
  const second = await start({ saved })
  await relayed(second, 35)
  expect(await sequences()).toEqual([31, 32, 33, 34, 35])
})

it('goes on in a stream that was made anew, and in one that another log has written to', async () => {
  await ensureStreams(bus)
  const first = await start()
  await putMany(10)
  await relayed(first, 10)
  const saved = first.position()
  await first.stop()
  await managerOf(bus).streams.delete(STREAMS.events)
  await ensureStreams(bus)
  await putMany(5)
  const second = await start({ saved })
  await relayed(second, 15)
  expect(await sequences()).toEqual([11, 12, 13, 14, 15])
  await second.stop()
  const restored = await start({ saved, epoch: 'epoch-2' })
  await relayed(restored, 15)
  expect(await sequences()).toEqual([11, 12, 13, 14, 15, 11, 12, 13, 14, 15])
})

/** A stream that holds the first three of six events, and where it would be if it held five. */
async function shortStream(): Promise<RelayPosition> {
  await ensureStreams(bus)
  await putMany(3)
  const first = await start()
  await relayed(first, 3)
  await first.stop()
  await putMany(3)
  return { sequence: 5, streamSequence: 5, streamCreated: (await streamState(bus, STREAMS.events)).created }
}

/** As an earlier one sent it. */
async function publishEvent(sequence: number): Promise<void> {
  const messageId = `epoch-1:${sequence}:earlier`
  const { kind, table, id } = (JSON.parse((await store.event(sequence))!.text) as DocumentCloudEvent).data
  await bus.publish(eventSubject({ kind, table, id }), Buffer.from((await store.event(sequence))!.text), {
    messageId,
    headers: { [EVENT_HEADERS.sequence]: String(sequence) },
  })
}

it('waits for a server that is behind what was acknowledged, and sends nothing again', async () => {
  const running = await start({ saved: await shortStream(), behindMs: 60_000 })
  await until(() => running.states.filter(state => state === 'away').length > 1, 'it has asked twice')
  expect([running.states.includes('running'), await sequences()]).toEqual([false, upTo(3)])
  await publishEvent(4)
  await publishEvent(5)
  await relayed(running, 6)
  expect(await sequences()).toEqual(upTo(6))
})

it('sends again what a stream has lost for good', async () => {
  const running = await start({ saved: await shortStream(), behindMs: 1 })
  await relayed(running, 6)
  expect([running.states[0], await sequences()]).toEqual(['away', upTo(6)])
})

it('is not kept from sending an event whose earlier message the server remembers and does not have', async () => {
  await ensureStreams(bus)
  await putMany(2)
  const first = await start()
  await relayed(first, 2)
  await first.stop()
  await managerOf(bus).streams.purge(STREAMS.events)
  // Nothing is known of how far it was.
  const running = await start()
  await relayed(running, 2)
  expect(await sequences()).toEqual([1, 2])
})

it('waits for the bus however long it is away, and loses and repeats nothing', async () => {
  await ensureStreams(bus)
  const running = await start()
  await putMany(50)
  for (let round = 1; round <= 3; round += 1) {
    await nats.kill()
    await putMany(200)
    await until(() => running.states.at(-1) === 'away', 'it has noticed')
    await nats.start()
    const during = putMany(100)
    await during
    await relayed(running, 50 + round * 300)
  }
  expect(await sequences()).toEqual(upTo(950))
})

it('waits for room in a stream that is full, also when a later event would fit', async () => {
  await ensureStreams(bus, { eventsMaxBytes: 100_000 })
  const running = await start()
  await put('a', 'x'.repeat(60_000))
  await put('b', 'x'.repeat(60_000))
  for (let n = 0; n < 20; n += 1) await put('small')
  await until(() => running.states.includes('full'), 'it is full')
  expect(await sequences()).toEqual([1])
  await managerOf(bus).streams.purge(STREAMS.events)
  await relayed(running, 22)
  expect(await sequences()).toEqual(upTo(22).slice(1))
})

it('waits for a stream that is not there yet', async () => {
  const running = await start()
  await putMany(5)
  await until(() => running.states.includes('away'), 'it has noticed')
  await ensureStreams(bus)
  await relayed(running, 5)
  expect(await sequences()).toEqual(upTo(5))
})
