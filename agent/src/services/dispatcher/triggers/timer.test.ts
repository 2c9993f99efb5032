/** A kind of trigger without documents, on the same seam: the dispatcher must not depend on the kind. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { listCalls } from '../../../calls/index.ts'
import type { Dispatcher } from '../dispatcher.ts'
import { Stage, until, type Received, type TestServer } from '../dispatcher-testing.ts'
import { readCheckpoint } from './checkpoint.ts'
import { TRIGGER_SOURCES } from './registry.ts'
import { ManualClock, TimerSource } from './testing/timer-source.ts'
import { triggerSourceContract } from './testing/trigger-source-contract.ts'

describe('the source', () => {
  triggerSourceContract(() => {
    const clock = new ManualClock(Date.now())
    return {
      source: new TimerSource(clock),
      spec: { everyMs: 60_000 },
      happen: async count => clock.advance(count * 60_000),
    }
  })
})

describe('in a dispatcher', () => {
  const NOON = Date.parse('2026-01-01T12:00:00Z')
  const EVERY_MINUTE = {
    key: 'on',
    kind: 'timer',
    everyMs: 60_000,
    start: { epoch: 1, from: { kind: 'time', time: new Date(NOON).toISOString() } },
  } as const
  let stage: Stage
  let clock: ManualClock

  beforeEach(async () => {
    stage = await Stage.open()
    clock = new ManualClock(NOON)
  })
  afterEach(() => stage.end())

  const dispatcher = (proxy: TestServer): Promise<Dispatcher> =>
    stage.dispatcher(proxy, {}, { ...TRIGGER_SOURCES, timer: () => new TimerSource(clock) })

  const minuteOf = ({ body }: Received): number =>
    (Date.parse((JSON.parse(body.toString()) as { time: string }).time) - NOON) / 60_000

  it('runs each event as a call, in order, with its retries and states, and under its own label', async () => {
    let failures = 2
    const proxy = await stage.server((_request, response) => response.writeHead(failures-- > 0 ? 500 : 204).end())
    await stage.deploy({ triggers: [EVERY_MINUTE] })
    const { port } = await dispatcher(proxy)
    clock.advance(120_000)
    await until(() => proxy.received.length === 4, 'both ran')
    expect(proxy.received.map(minuteOf)).toEqual([1, 1, 1, 2])
    const [first] = proxy.received
    expect(first).toMatchObject({ method: 'POST', url: '/functions/fn/.ryo-faas/events/on', attempt: 1 })
    expect(first!.headers['content-type']).toBe('application/cloudevents+json')
    expect(await stage.final(first!.callId)).toMatchObject({
      status: 'succeeded',
      acceptedAt: '2026-01-01T12:01:00.000Z',
      attempts: [{ outcome: 500 }, { outcome: 500 }, { outcome: 204 }],
    })
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    expect(metrics).toMatch(/^faas_invocations_total\{faas_name="FN",faas_trigger="timer",\S*"2xx"\} 2$/m)
  })

  it('makes an event that always fails a dead letter, and continues after it', async () => {
    const proxy = await stage.server((request, response) =>
      response.writeHead(minuteOf(request) === 1 ? 500 : 204).end(),
    )
    await stage.deploy({ triggers: [EVERY_MINUTE], async: { attempts: 2 } })
    await dispatcher(proxy)
    clock.advance(120_000)
    await until(() => proxy.received.length === 3, 'the second ran')
    expect(await stage.final(proxy.received[0]!.callId)).toMatchObject({ status: 'dead' })
  })

  it('catches up after a restart, and runs nothing twice', async () => {
    const proxy = await stage.server()
    await stage.deploy({ triggers: [EVERY_MINUTE] })
    const first = await dispatcher(proxy)
    clock.advance(180_000)
    await until(() => proxy.received.length === 3, 'three ran')
    await first.close()
    clock.advance(120_000)
    await dispatcher(proxy)
    await until(() => proxy.received.length >= 5, 'the others ran')
    expect(proxy.received.map(minuteOf)).toEqual([1, 2, 3, 4, 5])
  })

  it('works next to a document trigger of the same handler, each with its own checkpoint', async () => {
    const proxy = await stage.server()
    const onDocuments = {
      key: 'on',
      kind: 'document',
      filters: [{ table: 'payments', events: ['updated-doc'] }],
      start: { epoch: 1, from: { kind: 'sequence', sequence: 1 } },
    } as const
    await stage.deploy({ triggers: [EVERY_MINUTE, onDocuments] })
    await dispatcher(proxy)
    clock.advance(60_000)
    await stage.change()
    await until(() => proxy.received.length === 2, 'both ran')
    const checkpoint = async (name: string) => (await readCheckpoint(stage.bus, name))?.checkpoint.sequence
    await until(async () => (await checkpoint('fn.on')) === 1, 'that of the documents is kept')
    await until(async () => (await checkpoint('fn.on.timer')) === NOON + 60_000, 'that of the timer is kept')
    expect((await listCalls(stage.bus, { limit: 10 })).calls).toHaveLength(2)
  })

  it('reports a trigger with an unknown kind or fields, and runs the others', async () => {
    const proxy = await stage.server()
    await stage.deploy({
      triggers: [
        EVERY_MINUTE,
        { ...EVERY_MINUTE, key: 'moon', kind: 'moon' },
        { ...EVERY_MINUTE, key: 'off', everyMs: 0 },
      ],
    })
    await dispatcher(proxy)
    clock.advance(60_000)
    await until(() => proxy.received.length === 1, 'the timer ran')
    const failed = stage.events.filter(event => event.type === 'trigger-failed')
    expect(failed).toMatchObject([
      { functionName: 'FN', handler: 'moon', reason: expect.stringContaining('"moon"') },
      { functionName: 'FN', handler: 'off', reason: expect.stringContaining('everyMs') },
    ])
  })
})
