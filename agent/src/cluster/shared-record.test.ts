import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Bus } from '../bus/index.ts'
import type { TestNats } from '../bus/testing/nats-server.ts'
import { breakNext, connected, emptied, onAgentsBus } from './cluster-testing.ts'
import { Contents, newClusterKey, Seal, SharedRecord } from './index.ts'

let nats: TestNats
let bus: Bus
onAgentsBus(made => ({ nats, bus } = made))

const seal = new Seal(newClusterKey())

function make(own: Bus = bus) {
  const agent = { isHeld: true, wasDeposed: false }
  const record = new SharedRecord({
    ...{ bus: own, seal, contents: new Contents(own, seal) },
    isHeld: () => agent.isHeld,
    onDeposed: () => (agent.wasDeposed = true),
  })
  return { agent, record }
}

test('what a leader wrote the next one finds', async () => {
  const { record } = make()
  expect(await record.begin({ functions: [] })).toMatchObject({ value: { functions: [] } })
  await record.claim(1)
  await record.write({ functions: ['a'] })
  const next = make().record
  expect(await next.claim(2)).toEqual({ functions: ['a'] })
  await next.write({ functions: ['a', 'b'] })
  expect(await record.read()).toMatchObject({ value: { functions: ['a', 'b'] }, epoch: 2 })
})

test('of two that begin one does, and both know what it wrote', async () => {
  const found = await Promise.all([make().record.begin('one'), make().record.begin('two')])
  expect(found[0]).toEqual(found[1])
})

test('a leader that slept while another one took over writes nothing, and is told so', async () => {
  const { record, agent } = make()
  await record.claim(1)
  await record.write('before')
  const next = make().record
  await next.claim(2)
  await expect(record.write('late')).rejects.toMatchObject({ code: 'LEADER_LOST' })
  expect(agent.wasDeposed).toBe(true)
  expect(await next.read()).toMatchObject({ value: 'before', epoch: 2 })
  await next.write('after')
  await expect(record.claim(1)).rejects.toMatchObject({ code: 'LEADER_LOST' })
  expect(await next.read()).toMatchObject({ value: 'after' })
})

test('what one wrote while another took over is either found by it or refused', async () => {
  for (let round = 0; round < 20; round++) {
    await emptied(bus)
    const { record } = make()
    await record.claim(1)
    const written = record.write('late').then(
      () => true,
      () => false,
    )
    const found = await make(await connected(nats)).record.claim(2)
    expect(found).toEqual((await written) ? 'late' : null)
  }
})

test('a write whose acknowledgement was lost is found out, and written once', async () => {
  const own = await connected(nats)
  const { record } = make(own)
  await record.claim(1)
  breakNext(own, ['unacknowledged', 'lost', 'lost'])
  await record.write('one')
  breakNext(own, ['lost', 'unacknowledged'])
  await record.write('two')
  expect(await record.read()).toMatchObject({ value: 'two' })
})

test('who may not lead any more does not write, whatever the bus does', async () => {
  const { record, agent } = make()
  await record.claim(1)
  await record.write('before')
  agent.isHeld = false
  await expect(record.write('after')).rejects.toMatchObject({ code: 'LEADER_LOST' })
  expect([agent.wasDeposed, await record.read()]).toMatchObject([false, { value: 'before' }])
})

test('what is too long for a message is kept all the same', async () => {
  const { record } = make()
  const long = randomBytes(3 * 1024 * 1024).toString('hex')
  await record.claim(1)
  await record.write({ long })
  const next = make(await connected(nats)).record
  expect(await next.claim(2)).toEqual({ long })
})

test('who has another key reads nothing', async () => {
  const { record } = make()
  await record.begin('secret')
  const contents = new Contents(bus, seal)
  const stranger = new SharedRecord({
    ...{ bus, seal: new Seal(newClusterKey()), contents, isHeld: () => true, onDeposed: () => undefined },
  })
  await expect(stranger.read()).rejects.toMatchObject({ code: 'CLUSTER_KEY_WRONG' })
  await expect(stranger.claim(9)).rejects.toMatchObject({ code: 'CLUSTER_KEY_WRONG' })
})
