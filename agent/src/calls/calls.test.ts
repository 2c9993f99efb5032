import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CallStatus } from '../contract/index.ts'
import { type Bus, CallIdSource, ensureStreams, lastMessage, STREAMS, subjectOf } from '../bus/index.ts'
import {
  cancelCall,
  encodeEnvelope,
  getAnswer,
  getCall,
  isFinal,
  listCalls,
  putBody,
  readState,
  redriveCall,
  redriveDead,
  sweepBodies,
  watchCall,
  watchCalls,
  writeState,
  type CallEvent,
  type CallQuery,
  type CallState,
} from '../calls/index.ts'
import { managerOf, startNats, subscriptionsOf, type TestNats } from '../bus/testing/nats-server.ts'

const ids = new CallIdSource()
let nats: TestNats
let bus: Bus

beforeAll(async () => {
  nats = await startNats()
  bus = await nats.connect()
  await ensureStreams(bus)
})
afterEach(async () => {
  for (const stream of Object.values(STREAMS)) await managerOf(bus).streams.purge(stream)
})
afterAll(() => nats.stop())

function envelope(body: Buffer, bodyRef?: string): Uint8Array {
  const head = { v: 1, method: 'POST', path: '/', headers: [], acceptedAt: '2026-01-01T00:00:00.000Z', requestId: 'r' }
  return encodeEnvelope(
    { ...head, v: 1, headers: [], bodyRef, bodyBytes: body.length },
    bodyRef ? Buffer.alloc(0) : body,
  )
}

async function queue(route = 'fn', body = Buffer.from('hello')): Promise<string> {
  const id = ids.next(route)
  await bus.publish(subjectOf('call', id), envelope(body))
  return id
}

function stateOf(id: string, status: CallStatus, more: Partial<CallState> = {}): CallState {
  const attempts = [{ number: 1, startedAt: '2026-01-01T00:00:01.000Z', ...(isFinal(status) && { outcome: 500 }) }]
  return { id, function: 'fn', status, acceptedAt: '2026-01-01T00:00:00.000Z', attempts, attemptsBefore: 0, ...more }
}

/** As a dispatcher leaves it: no longer in the queue. */
async function finished(status: CallStatus, route = 'fn', more: Partial<CallState> = {}): Promise<string> {
  const id = ids.next(route)
  if (status === 'dead') await bus.publish(subjectOf('dead', id), envelope(Buffer.from('hello')))
  await writeState(bus, stateOf(id, status, { function: route, ...more }), 0)
  return id
}

const isQueued = async (id: string) => (await lastMessage(bus, STREAMS.calls, subjectOf('call', id))) !== undefined

describe('a call', () => {
  it('is queued while it has no state, then what its state says, otherwise unknown', async () => {
    const id = await queue()
    expect(await getCall(bus, id)).toEqual({
      id,
      function: 'fn',
      status: 'queued',
      acceptedAt: '2026-01-01T00:00:00.000Z',
      attempts: [],
    })
    await writeState(bus, stateOf(id, 'running'), 0)
    expect(await getCall(bus, id)).toMatchObject({ status: 'running', attempts: [{ number: 1 }] })
    expect(await getCall(bus, ids.next('fn'))).toBeUndefined()
    expect(await getCall(bus, 'no id')).toBeUndefined()
  })

  it('shows its result as text, as base64, or where to get it', async () => {
    const result = (body: Buffer) => ({
      status: 200,
      headers: [['a', 'b']] as [string, string][],
      bodyBytes: body.length,
      body: body.toString('base64'),
    })
    const text = await finished('succeeded', 'fn', { result: result(Buffer.from('Grüße')) })
    expect((await getCall(bus, text))?.result).toMatchObject({ body: 'Grüße', encoding: 'utf8', bodyBytes: 7 })
    const binary = await finished('succeeded', 'fn', { result: result(Buffer.from([0xff, 0])) })
    expect((await getCall(bus, binary))?.result).toMatchObject({ body: '/wA=', encoding: 'base64' })

    const large = Buffer.alloc(2_000_000, 'xy')
    const id = ids.next('fn')
    const bodyRef = await putBody(bus, { kind: 'result', callId: id }, large)
    await writeState(
      bus,
      stateOf(id, 'succeeded', { result: { status: 201, headers: [], bodyBytes: large.length, bodyRef } }),
      0,
    )
    expect((await getCall(bus, id))?.result).toEqual({
      status: 201,
      headers: [],
      bodyBytes: large.length,
      href: `/calls/${id}/result`,
    })
    const answer = await getAnswer(bus, id)
    expect(answer?.status).toBe(201)
    expect(answer?.body?.equals(large)).toBe(true)
  })
})

describe('a list', () => {
  const all = async (query: Partial<CallQuery>) => {
    const pages: string[][] = []
    for (let cursor: string | undefined; ;) {
      const page = await listCalls(bus, { limit: 100, ...query, cursor })
      pages.push(page.calls.map(({ id }) => id))
      if (page.cursor === undefined) return { pages, ids: pages.flat() }
      cursor = page.cursor
    }
  }

  it('contains waiting and finished calls, newest first, by function and status', async () => {
    const over = [await finished('succeeded'), await finished('dead', 'other'), await finished('succeeded')]
    const waiting = [await queue(), await queue('other')]
    const running = await queue()
    await writeState(bus, stateOf(running, 'running'), 0)
    const again = await queue()
    await writeState(bus, stateOf(again, 'running', { nextAttemptAt: '2026-01-01T00:10:00.000Z' }), 0)
    expect((await all({})).ids).toEqual([...waiting.reverse(), again, running, ...over.reverse()])
    expect((await all({ function: 'other' })).ids).toEqual([waiting[0], over[1]])
    expect((await all({ status: 'queued' })).ids).toEqual([...waiting, again])
    expect((await getCall(bus, again))?.status).toBe('queued')
    expect((await all({ status: 'running' })).ids).toEqual([running])
    expect((await all({ status: 'succeeded' })).ids).toEqual([over[0], over[2]])
    expect((await all({ status: 'dead', function: 'fn' })).ids).toEqual([])
  })

  it('comes in pages of any size, each call once', async () => {
    const waiting = await Promise.all(Array.from({ length: 7 }, () => queue()))
    const over = await Promise.all(Array.from({ length: 12 }, (_, i) => finished(i % 3 === 0 ? 'failed' : 'succeeded')))
    for (const limit of [1, 3, 7, 19, 50]) {
      const { pages, ids: listed } = await all({ limit })
      expect([...listed].sort()).toEqual([...waiting, ...over].sort())
      expect(Math.max(...pages.map(page => page.length))).toBeLessThanOrEqual(limit)
    }
    expect((await all({ limit: 3, status: 'failed' })).ids).toHaveLength(4)
  })

  it('finds few among many, across wide gaps', async () => {
    const rare = await finished('dead', 'rare')
    const changing = ids.next('fn')
    let revision = 0
    for (let i = 0; i < 20; i += 1) {
      for (let j = 0; j < 150; j += 1) revision = await writeState(bus, stateOf(changing, 'running'), revision)
    }
    expect((await all({ status: 'dead' })).ids).toEqual([rare])
    expect((await all({ function: 'rare' })).ids).toEqual([rare])
  })

  it('leaves out the bodies of results', async () => {
    const body = { status: 200, headers: [], bodyBytes: 1, body: 'eA==' }
    await finished('succeeded', 'fn', { result: body })
    expect((await listCalls(bus, { limit: 1 })).calls[0]?.result).not.toHaveProperty('body')
  })
})

describe('cancelling', () => {
  it('takes a queued call out of the queue, with its body', async () => {
    const id = ids.next('fn')
    const body = Buffer.alloc(1_000_000)
    const bodyRef = await putBody(bus, { kind: 'body', callId: id }, body)
    await bus.publish(subjectOf('call', id), envelope(body, bodyRef))
    expect(await cancelCall(bus, id)).toMatchObject({ kind: 'cancelled', call: { status: 'cancelled', attempts: [] } })
    expect(await isQueued(id)).toBe(false)
    expect((await managerOf(bus).streams.info(STREAMS.bodies)).state.messages).toBe(0)
    expect(await getCall(bus, id)).toMatchObject({ status: 'cancelled' })
  })

  it('ends a running call and tells the dispatchers', async () => {
    const id = await queue()
    await writeState(bus, stateOf(id, 'running'), 0)
    const told = new Promise<string>(resolve => {
      bus.listen('rfa.cancel.>', ({ subject }) => resolve(subject))
    })
    await bus.flush()
    expect(await cancelCall(bus, id)).toMatchObject({
      kind: 'cancelled',
      call: { status: 'cancelled', attempts: [{ number: 1, outcome: 'CANCELLED' }] },
    })
    expect(await told).toBe(subjectOf('cancel', id))
  })

  it('takes out of the queue what an earlier cancellation left there', async () => {
    const id = await queue()
    await writeState(bus, stateOf(id, 'cancelled'), 0)
    expect(await cancelCall(bus, id)).toMatchObject({ kind: 'final', call: { status: 'cancelled' } })
    expect(await lastMessage(bus, STREAMS.calls, subjectOf('call', id))).toBeUndefined()
  })

  it('is too late for a finished call, and does not find an unknown one', async () => {
    expect(await cancelCall(bus, await finished('succeeded'))).toMatchObject({ kind: 'final' })
    expect(await cancelCall(bus, ids.next('fn'))).toEqual({ kind: 'missing' })
  })

  it('works for a call whose message cannot be read', async () => {
    const id = ids.next('fn')
    await bus.publish(subjectOf('call', id), Buffer.from('garbage'))
    expect(await getCall(bus, id)).toMatchObject({ id, function: 'fn', status: 'queued' })
    expect(await cancelCall(bus, id)).toMatchObject({ kind: 'cancelled' })
    expect(await lastMessage(bus, STREAMS.calls, subjectOf('call', id))).toBeUndefined()
  })
})

describe('a redrive', () => {
  it('puts a dead call back with its request, once, and restarts the count of attempts', async () => {
    const id = await finished('dead', 'fn', { error: { code: 'X', message: 'x' }, finishedAt: 'then' })
    const outcomes = await Promise.all([redriveCall(bus, id), redriveCall(bus, id)])
    expect(outcomes.some(({ kind }) => kind === 'queued')).toBe(true)
    expect((await managerOf(bus).streams.info(STREAMS.calls)).state.messages).toBe(1)
    expect((await lastMessage(bus, STREAMS.calls, subjectOf('call', id)))!.data).toEqual(envelope(Buffer.from('hello')))
    const { state } = (await readState(bus, id))!
    expect(state).toMatchObject({ status: 'queued', attemptsBefore: 1, attempts: [{ number: 1 }] })
    expect(state).not.toHaveProperty('error')
    expect(state).not.toHaveProperty('finishedAt')
    expect((await listCalls(bus, { limit: 9 })).calls).toMatchObject([{ id, status: 'queued' }])
  })

  it('that failed half way can be repeated', async () => {
    const id = await finished('dead')
    const { state, revision } = (await readState(bus, id))!
    await writeState(bus, { ...state, status: 'queued', attemptsBefore: 1 }, revision)
    expect(await isQueued(id)).toBe(false)
    expect(await redriveCall(bus, id)).toMatchObject({ kind: 'queued' })
    expect(await isQueued(id)).toBe(true)
  })

  it('is for dead calls only', async () => {
    expect(await redriveCall(bus, await finished('succeeded'))).toMatchObject({ kind: 'not-dead' })
    expect(await redriveCall(bus, await queue())).toEqual({ kind: 'missing' })
    expect(await redriveCall(bus, ids.next('fn'))).toEqual({ kind: 'missing' })
  })

  it('may take all dead calls, or those of one function', async () => {
    await Promise.all(Array.from({ length: 150 }, (_, i) => finished('dead', i % 3 === 0 ? 'other' : 'fn')))
    expect(await redriveDead(bus, 'other')).toBe(50)
    expect(await redriveDead(bus)).toBe(100)
    expect(await redriveDead(bus)).toBe(0)
    expect((await managerOf(bus).streams.info(STREAMS.calls)).state.messages).toBe(150)
  })
})

const subscriptions = () => subscriptionsOf(bus)

describe('watching', () => {
  it('a call shows it now and at every change, and ends when it is final', async () => {
    const id = await queue()
    const seen: string[] = []
    let revision = 0
    for await (const { status } of watchCall(bus, id, new AbortController().signal)) {
      seen.push(status)
      if (status === 'queued') revision = await writeState(bus, stateOf(id, 'running'), 0)
      if (status === 'running') await writeState(bus, stateOf(id, 'succeeded'), revision)
    }
    expect(seen).toEqual(['queued', 'running', 'succeeded'])
  })

  it('a call ends when it is aborted, and at once if there is no such call', async () => {
    const abort = new AbortController()
    const before = subscriptions()
    for await (const _ of watchCall(bus, await queue(), abort.signal)) abort.abort()
    expect(subscriptions()).toBe(before)
    for await (const _ of watchCall(bus, ids.next('fn'), abort.signal)) throw new Error('there is no such call')
  })

  it('a function reports every state that was stored, and no other', async () => {
    const seen: CallEvent[] = []
    const stop = watchCalls(bus, 'fn', event => seen.push(event))
    await bus.flush()
    await queue('other')
    const id = await queue()
    await writeState(bus, stateOf(id, 'running'), 0)
    await writeState(bus, stateOf(id, 'succeeded'), 0).catch(() => undefined)
    const { revision } = (await readState(bus, id))!
    await writeState(bus, stateOf(id, 'failed'), revision)
    await bus.flush()
    stop()
    const statuses = seen.map(({ status }) => status)
    expect(statuses).toEqual(['queued', 'running', 'failed'])
    expect(seen.every(event => event.id === id && event.function === 'fn')).toBe(true)
  })
})

it('bodies without a call are swept once they are old', async () => {
  const body = Buffer.alloc(600_000)
  const [orphan, waiting, dead] = [ids.next('fn'), ids.next('fn'), ids.next('fn')]
  const refs = await Promise.all([orphan, waiting, dead].map(callId => putBody(bus, { kind: 'body', callId }, body)))
  await bus.publish(subjectOf('call', waiting), envelope(body, refs[1]))
  await bus.publish(subjectOf('dead', dead), envelope(body, refs[2]))
  expect(await sweepBodies(bus)).toBe(0)
  expect(await sweepBodies(bus, Date.now() + 2 * 3_600_000)).toBe(1)
  const left = await managerOf(bus).streams.info(STREAMS.bodies, { subjects_filter: '>' })
  expect(Object.keys(left.state.subjects!).sort()).toEqual([refs[1], refs[2]].sort())
})
