/** A cluster of three loses members while it is written to and read: nothing that it acknowledged is lost. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import type { Bus } from './bus.ts'
import { CallIdSource } from './call-id.ts'
import { durableConsumer } from './consumers.ts'
import { Puller } from './puller.ts'
import { streamState } from './stream-state.ts'
import { ensureStreams, ensureStreamsWithin } from './streams.ts'
import { STREAMS, subjectOf, subjectsOf } from './subjects.ts'
import { startNatsCluster, type TestCluster } from './testing/nats-cluster.ts'
import { managerOf } from './testing/nats-server.ts'

const CALLS = 400

let cluster: TestCluster
let bus: Bus
beforeAll(async () => {
  cluster = await startNatsCluster()
  bus = await cluster.connect('shop')
  await ensureStreams(bus, { replicas: 3 })
})
afterAll(() => cluster?.stop())

const copiesOf = async (stream: string) => (await managerOf(bus).streams.info(stream)).config.num_replicas

it('keeps three copies, also when fewer are asked for by one who does not insist', async () => {
  expect(await ensureStreams(bus, { replicas: 1, mayLowerReplicas: false })).toBe(3)
  expect(await copiesOf('rfa-shop_calls')).toBe(3)
  await expect(ensureStreams(bus, { replicas: 5 })).rejects.toMatchObject({ code: 'NO_REPLICAS' })
})

it('is set up by one who starts while a member is away', async () => {
  await cluster.kill('n1')
  expect(await ensureStreamsWithin(60_000, bus, { replicas: 3 })).toBe(3)
  await cluster.start('n1')
})

it('loses no call that it has acknowledged when the member that we use is killed, and the leader of the queue', async () => {
  const ids = new CallIdSource()
  const wanted = Array.from({ length: CALLS }, () => subjectOf('call', ids.next('fn')))
  const taken: string[] = []
  const puller = new Puller(bus, {
    stream: STREAMS.calls,
    ensure: durableConsumer(STREAMS.calls, { name: 'fn-fn', filter: subjectsOf('call', 'fn'), ackWaitMs: 2_000 }),
    slots: () => ({ free: 16, all: 16 }),
    onRefused: () => undefined,
    onDelivery: delivery => {
      taken.push(delivery.subject)
      delivery.ack()
    },
  })
  puller.start()
  let acknowledged = 0
  let failures = 0
  const send = async (subject: string) => {
    await untilTrue(async () => {
      try {
        await bus.publish(subject, Buffer.from('x'), { messageId: subject })
        return true
      } catch {
        failures += 1
        return false
      }
    }, `${subject} is stored`)
    acknowledged += 1
  }
  const killAt = async (share: number, whom: () => Promise<string | undefined>) => {
    await untilTrue(() => acknowledged >= CALLS * share, 'enough calls are acknowledged')
    let member: string | undefined
    await untilTrue(async () => {
      member = await whom().catch(() => undefined)
      return member !== undefined
    }, 'it is known who is to be killed')
    await cluster.kill(member!)
    await untilTrue(
      async () => (await streamState(bus, STREAMS.calls).catch(() => undefined)) !== undefined,
      'it works',
    )
    await cluster.start(member!)
    return member
  }
  const sending = (async () => {
    for (let at = 0; at < CALLS; at += 8) await Promise.all(wanted.slice(at, at + 8).map(send))
  })()
  const first = await killAt(0.2, async () => cluster.memberOf(bus))
  const second = await killAt(0.5, () => cluster.leaderOf(bus, STREAMS.calls))
  await sending
  await untilTrue(() => new Set(taken).size === CALLS, 'all are taken')
  await untilTrue(
    async () => (await streamState(bus, STREAMS.calls).catch(() => undefined))?.messages === 0,
    'the queue is empty',
  )
  await puller.stop()
  expect([...new Set(taken)].sort()).toEqual(wanted.sort())
  expect([first, second].every(member => ['n1', 'n2', 'n3'].includes(member!))).toBe(true)
  // Otherwise nobody noticed that anybody died.
  expect(failures).toBeGreaterThan(0)
})
