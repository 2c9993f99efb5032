import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  advance,
  claimKey,
  confirmKey,
  getBody,
  putBody,
  queuedState,
  readState,
  removeBody,
  writeState,
  type CallState,
} from '../calls/index.ts'
import {
  BusError,
  CallIdSource,
  ensureStreams,
  EVENT_HEADERS,
  messageAt,
  purge,
  STREAMS,
  streamState,
  subjectOf,
  subjectsIn,
  type Bus,
} from './index.ts'
import { untilTrue } from '../../test/support/until.ts'
import { managerOf, startNats, type TestNats } from './testing/nats-server.ts'

const ids = new CallIdSource()
let nats: TestNats
let bus: Bus

beforeAll(async () => {
  nats = await startNats()
  bus = await nats.connect()
  await ensureStreams(bus)
})
afterAll(() => nats.stop())

function running(id: string): CallState {
  return { id, function: 'fn', status: 'running', acceptedAt: '', attempts: [], attemptsBefore: 0 }
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return error instanceof BusError ? error.code : undefined
}

describe('streams', () => {
  it('may be set up by several at once, and accept new limits later', async () => {
    const other = await nats.connect()
    await Promise.all([ensureStreams(bus), ensureStreams(other), ensureStreams(bus)])
    await Promise.all([
      ensureStreams(bus, { statesMaxBytes: 2_000_000 }),
      ensureStreams(other, { deadMaxAgeMs: 90_000 }),
    ])
    await ensureStreams(bus, { statesMaxBytes: 1_000_000, idempotencyWindowMs: 60_000 })
    const { config } = await managerOf(bus).streams.info(STREAMS.states)
    expect(config.max_bytes).toBe(1_000_000)
    await ensureStreams(bus)
  })

  it('take what a small disk has', async () => {
    const small = await startNats('max_file_store: 96MB')
    try {
      const itsBus = await small.connect()
      await ensureStreams(itsBus)
      const { config } = await managerOf(itsBus).streams.info(STREAMS.calls)
      expect(config.max_bytes).toBeLessThan(96 * 1024 ** 2)
    } finally {
      await small.stop()
    }
  })

  it('of the history keep as many calls by default as fit in the memory of the server, and forget the oldest', async () => {
    expect((await managerOf(bus).streams.info(STREAMS.states)).config.max_msgs).toBe(500_000)
    await ensureStreams(bus, { statesMaxCount: 2 })
    const history = Array.from({ length: 3 }, () => queuedState(ids.next('fn')))
    for (const state of history) await writeState(bus, state, 0)
    const kept = await Promise.all(history.map(async ({ id }) => (await readState(bus, id)) !== undefined))
    expect(kept).toEqual([false, true, true])
    await ensureStreams(bus)
  })

  it('of waiting calls refuse what does not fit, and lose nothing', async () => {
    await ensureStreams(bus, { callsMaxBytes: 100_000 })
    const [first, second] = [ids.next('full'), ids.next('full')]
    await bus.publish(subjectOf('call', first), Buffer.alloc(60_000))
    expect(await codeOf(bus.publish(subjectOf('call', second), Buffer.alloc(60_000)))).toBe('FULL')
    await ensureStreams(bus, { callsMaxBytes: 50_000 })
    expect((await managerOf(bus).streams.info(STREAMS.calls)).state.messages).toBe(1)
    await ensureStreams(bus)
    expect((await bus.publish(subjectOf('call', second), Buffer.alloc(60_000))).isDuplicate).toBe(false)
    await managerOf(bus).streams.purge(STREAMS.calls)
  })
})

describe('publishing', () => {
  it('is acknowledged, once per message id', async () => {
    const id = ids.next('fn')
    const first = await bus.publish(subjectOf('dead', id), Buffer.from('1'), { messageId: id })
    const second = await bus.publish(subjectOf('dead', id), Buffer.from('1'), { messageId: id })
    expect(first).toMatchObject({ stream: STREAMS.dead, isDuplicate: false })
    expect(second).toMatchObject({ sequence: first.sequence, isDuplicate: true })
  })

  it('to a subject without a stream fails', async () => {
    expect(await codeOf(bus.publish('rfa.nothing.here', Buffer.alloc(0)))).toBe('UNAVAILABLE')
  })
})

describe('looking at a stream', () => {
  it('tells what it holds, with the headers and the time of each message, and what was removed from it', async () => {
    const ids = ['one', 'two', 'three'].map(id => `rfa.store.new-doc.looked.${id}`)
    const before = await streamState(bus, STREAMS.events)
    for (const subject of ids)
      await bus.publish(subject, Buffer.from(subject), { headers: { [EVENT_HEADERS.sequence]: '7' } })
    const state = await streamState(bus, STREAMS.events)
    expect(state.messages).toBe(before.messages + 3)
    const message = (await messageAt(bus, STREAMS.events, state.lastSequence - 1))!
    expect([message.subject, message.header(EVENT_HEADERS.sequence), message.header('None')]).toEqual([
      ids[1],
      '7',
      undefined,
    ])
    expect(Math.abs(message.timeMs() - Date.now())).toBeLessThan(3_600_000)
    expect(await subjectsIn(bus, STREAMS.events, 'rfa.store.*.looked.*')).toHaveLength(3)
    expect(await purge(bus, STREAMS.events, { subject: ids[2]! })).toBe(1)
    expect(await purge(bus, STREAMS.events, { upTo: state.lastSequence - 1 })).toBe(before.messages + 2)
    expect(await messageAt(bus, STREAMS.events, state.lastSequence - 1)).toBeUndefined()
    expect(await streamState(bus, STREAMS.events)).toMatchObject({ messages: 0, lastSequence: state.lastSequence })
  })
})

it('messages reach their listeners until they stop', async () => {
  const heard: string[] = []
  const stop = bus.listen('rfa.cancel.*.*', ({ subject }) => heard.push(subject))
  bus.tell('rfa.cancel.fn.1')
  await bus.flush()
  await untilTrue(() => heard.length === 1, 'it is heard')
  stop()
  bus.tell('rfa.cancel.fn.2')
  await bus.flush()
  expect(heard).toEqual(['rfa.cancel.fn.1'])
})

it('everything that waits for the end of a turn resumes in the same one', async () => {
  const order: string[] = []
  const waiting = ['a', 'b'].map(name => bus.endOfTurn().then(() => order.push(name)))
  setImmediate(() => order.push('next'))
  await Promise.all(waiting)
  order.push('all')
  expect(order).toEqual(['a', 'b', 'all'])
})

describe('a state', () => {
  it('is written only over the one it was made from', async () => {
    const id = ids.next('fn')
    expect(await readState(bus, id)).toBeUndefined()
    const revision = await writeState(bus, running(id), 0)
    expect(await codeOf(writeState(bus, running(id), 0))).toBe('CONFLICT')
    await writeState(bus, { ...running(id), status: 'failed' }, revision)
    expect((await readState(bus, id))?.state.status).toBe('failed')
  })

  it('that is final is never left: of many attempts to end a call at once, one wins', async () => {
    const id = ids.next('fn')
    const ends = ['succeeded', 'cancelled', 'failed', 'succeeded', 'cancelled'] as const
    const outcomes = await Promise.all(ends.map(status => advance(bus, id, () => ({ ...running(id), status }))))
    const written = outcomes.filter(({ kind }) => kind === 'written')
    expect(written).toHaveLength(1)
    expect(outcomes.filter(({ kind }) => kind === 'final')).toHaveLength(4)
    expect((await readState(bus, id))?.state).toEqual(written[0]!.state)
  })

  it('stays as it is if the change declines', async () => {
    expect(await advance(bus, ids.next('fn'), () => undefined)).toEqual({ kind: 'declined', state: undefined })
  })
})

describe('a large body', () => {
  it('of 10 MiB comes back whole, also next to another of the same call, and is gone when removed', async () => {
    const callId = ids.next('fn')
    const [a, b] = [Buffer.alloc(10 * 1024 ** 2, 'abcdefg'), Buffer.alloc(3_000_001, 'xyz')]
    const [one, two] = await Promise.all([
      putBody(bus, { kind: 'body', callId }, a),
      putBody(bus, { kind: 'body', callId }, b),
    ])
    expect((await getBody(bus, one, a.length)).equals(a)).toBe(true)
    expect((await getBody(bus, two, b.length)).equals(b)).toBe(true)
    await removeBody(bus, one)
    expect(await codeOf(getBody(bus, one, a.length))).toBe('REFUSED')
    expect((await getBody(bus, two, b.length)).equals(b)).toBe(true)
  })
})

const keyOf = (digest: string) => ({ digest, request: 'the-same' })

it('many may claim an idempotency key at once: one succeeds, and all learn the same id', async () => {
  const claims = await Promise.all(Array.from({ length: 8 }, () => claimKey(bus, keyOf('digest'), ids.next('fn'))))
  expect(claims.filter(claim => claim!.isNew)).toHaveLength(1)
  expect(new Set(claims.map(claim => claim!.callId)).size).toBe(1)
})

it('a claim that was confirmed stays so for all later ones', async () => {
  const claim = (await claimKey(bus, keyOf('confirmed'), ids.next('fn')))!
  expect(claim).toMatchObject({ isNew: true, isQueued: false })
  await confirmKey(bus, keyOf('confirmed'), claim)
  const later = await claimKey(bus, keyOf('confirmed'), ids.next('fn'))
  expect(later).toMatchObject({ callId: claim.callId, isNew: false, isQueued: true })
  expect(await claimKey(bus, { ...keyOf('confirmed'), request: 'another' }, ids.next('fn'))).toBeUndefined()
  // Another claim was faster.
  expect(await codeOf(confirmKey(bus, keyOf('confirmed'), claim))).toBe('CONFLICT')
})

it('a lost connection fails what is in flight, then every new request at once, and recovers', async () => {
  const own = await startNats()
  try {
    const itsBus = await own.connect()
    await ensureStreams(itsBus)
    const id = ids.next('fn')
    process.kill(own.pid(), 'SIGSTOP')
    const underWay = codeOf(itsBus.publish(subjectOf('call', id), Buffer.from('x')))
    await own.kill()
    expect(await underWay).toBe('UNAVAILABLE')
    await untilTrue(() => !itsBus.isConnected, 'the bus is away')
    expect(await codeOf(itsBus.publish(subjectOf('call', id), Buffer.from('x')))).toBe('UNAVAILABLE')
    expect(await codeOf(readState(itsBus, id))).toBe('UNAVAILABLE')
    let reconnects = 0
    itsBus.onReconnect(() => (reconnects += 1))
    await own.start()
    await untilTrue(() => itsBus.isConnected, 'the bus is back')
    expect(reconnects).toBe(1)
    await itsBus.publish(subjectOf('call', id), Buffer.from('x'))
  } finally {
    await own.stop()
  }
})
