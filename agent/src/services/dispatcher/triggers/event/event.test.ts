import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CloudEvent } from '@ryo-faas/runtime/protocol'
import { signDepth } from '../../../../access/index.ts'
import { redriveDead } from '../../../../calls/index.ts'
import { FUNCTIONS_KEY, Stage, until, type Received, type TestServer } from '../../dispatcher-testing.ts'
import type { DispatchedTrigger } from '../../options.ts'

let stage: Stage
beforeEach(async () => (stage = await Stage.open()))
afterEach(() => stage.end())

function trigger(...filters: { type: string; source?: string }[]): DispatchedTrigger {
  const start = { epoch: 1, from: { kind: 'time', time: new Date(0).toISOString() } } as const
  return { key: 'on', kind: 'event', start, filters: filters.map(filter => ({ kind: 'event', ...filter })) }
}

const idOf = ({ body }: Received): string => (JSON.parse(body.toString()) as CloudEvent).id
const ids = ({ received }: TestServer): string[] => received.map(idOf)

it('posts a whole event to the handler, with its trace and its depth, and shows it as a call', async () => {
  const proxy = await stage.server((_request, response) => response.writeHead(204).end())
  await stage.deploy({ triggers: [trigger({ type: 'com.example.paid' })] })
  await stage.dispatcher(proxy)
  const traceparent = '00-12345678901234567890123456789012-1234567890123456-01'
  const event = await stage.publish({ depth: 2, traceparent, subject: 'order 7', data: { amount: 3 } })
  await until(() => proxy.received.length === 1, 'it came')
  const [request] = proxy.received
  expect(request).toMatchObject({ method: 'POST', url: '/functions/fn/.ryo-faas/events/on', attempt: 1 })
  expect(request!.headers).toMatchObject({
    'content-type': 'application/cloudevents+json',
    'x-event-depth': signDepth(FUNCTIONS_KEY, 3),
  })
  expect(request!.headers['traceparent']).toMatch(/^00-12345678901234567890123456789012-/)
  expect(JSON.parse(request!.body.toString())).toEqual(event)
  expect(await stage.final(request!.callId)).toMatchObject({ status: 'succeeded', function: 'fn' })
})

it('receives the types and sources it asks for and no others', async () => {
  const proxy = await stage.server()
  await stage.deploy({
    triggers: [
      trigger({ type: 'com.example.*', source: '/shop*' }, { type: 'com.exam*', source: '/x' }, { type: 'A b/ü' }),
    ],
  })
  await stage.dispatcher(proxy)
  const published: [id: string, type: string, source: string][] = [
    ['1', 'com.example.paid', '/shop/1'],
    ['2', 'com.example', '/shop/1'],
    ['3', 'com.example.a..b', '/shop'],
    ['4', 'com.example.paid', '/store'],
    ['5', 'com.exam', '/x'],
    ['6', 'com.other', '/x'],
    ['7', 'A b/ü', 'urn:any'],
    ['8', 'com.example.', '/shop'],
    ['9', 'A b/ü.more', '/shop'],
    ['10', 'com.examples.of', '/x'],
  ]
  for (const [id, type, source] of published) await stage.publish({ id, type, source })
  await until(() => proxy.received.length >= 6, 'all came')
  expect(ids(proxy).sort()).toEqual(['1', '10', '3', '5', '7', '8'])
})

it('keeps the order within a source and subject, also across retries, while others continue', async () => {
  let failures = 2
  const proxy = await stage.server((request, response) => {
    response.writeHead(idOf(request) === 'a1' && failures-- > 0 ? 500 : 204).end()
  })
  await stage.deploy({ triggers: [trigger({ type: '*' })], async: { concurrency: 4 } })
  await stage.dispatcher(proxy)
  for (const [id, subject] of [
    ['a1', 'a'],
    ['a2', 'a'],
    ['b1', 'b'],
    ['n1', undefined],
    ['n2', undefined],
  ] as const) {
    await stage.publish({ id, ...(subject !== undefined && { subject }) })
  }
  await until(() => proxy.received.length === 7, 'all ran')
  expect(ids(proxy).filter(id => id.startsWith('a'))).toEqual(['a1', 'a1', 'a1', 'a2'])
  expect(ids(proxy).indexOf('n2')).toBeLessThan(ids(proxy).indexOf('a2'))
})

it('makes an event that always fails a dead letter, and runs it after a redrive', async () => {
  let isBroken = true
  const proxy = await stage.server((_request, response) => response.writeHead(isBroken ? 500 : 204).end())
  await stage.deploy({ triggers: [trigger({ type: '*' })], async: { attempts: 2 } })
  await stage.dispatcher(proxy)
  await stage.publish({ subject: 's' })
  await until(() => proxy.received.length === 2, 'its attempts are used up')
  const dead = await stage.final(proxy.received[0]!.callId)
  expect(dead.status).toBe('dead')
  isBroken = false
  expect(await redriveDead(stage.bus, 'fn')).toBe(1)
  await until(async () => (await stage.view(dead.id)).status === 'succeeded', 'it ran after all')
})

it('resumes after a restart, and runs nothing twice; what is no event is reported and passed over', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger({ type: 'com.example.*' })] })
  const first = await stage.dispatcher(proxy)
  for (const id of ['1', '2', '3']) await stage.publish({ id })
  await until(() => proxy.received.length === 3, 'the first came')
  await first.close()
  await stage.publish({ id: '4' })
  await stage.bus.publish('rfa.event.com.example.x', Buffer.from('garbage'))
  await stage.publish({ id: '5' })
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length >= 5, 'the rest came')
  expect(ids(proxy).sort()).toEqual(['1', '2', '3', '4', '5'])
  await until(() => stage.events.some(({ type }) => type === 'trigger-failed'), 'garbage is reported')
})

it('loses no event when dispatcher and bus are killed between its acceptance and its delivery', async () => {
  let held = 0
  const proxy = await stage.server((_request, response) => {
    if (held < 4) held += 1
    else response.writeHead(204).end()
  })
  await stage.deploy({ triggers: [trigger({ type: '*' })], async: { concurrency: 8 } })
  const child = await stage.process(proxy)
  const wanted = Array.from({ length: 60 }, (_, i) => `e${i}`)
  for (const id of wanted) await stage.publish({ id })
  await until(() => proxy.received.length >= 30, 'half of them came')
  child.kill('SIGKILL')
  await stage.nats.kill()
  held = Infinity
  await stage.nats.start()
  await stage.dispatcher(proxy)
  await until(() => new Set(ids(proxy)).size === wanted.length, 'all came')
  expect([...new Set(ids(proxy))].sort()).toEqual(wanted.sort())
})

it('does not run an event at the end of a loop', async () => {
  const proxy = await stage.server()
  await stage.deploy({ triggers: [trigger({ type: '*' })] })
  await stage.dispatcher(proxy)
  await stage.publish({ id: 'deep', depth: 17 })
  await stage.publish({ id: 'last', depth: 16 })
  await until(() => proxy.received.length === 1, 'the other came')
  expect(ids(proxy)).toEqual(['last'])
  await until(
    () => stage.events.some(event => event.type === 'trigger-failed' && event.reason.includes('trigger itself')),
    'the loop is reported',
  )
})

it('two handlers of one function, on documents and on other events, each get their own', async () => {
  const proxy = await stage.server()
  const start = { epoch: 1, from: { kind: 'sequence', sequence: 1 } } as const
  const documents = { key: 'on', kind: 'document', start, filters: [{ table: 'payments', events: ['updated-doc'] }] }
  await stage.deploy({ triggers: [documents, trigger({ type: '*' })] })
  await stage.dispatcher(proxy)
  const change = await stage.change()
  const event = await stage.publish()
  await until(() => proxy.received.length === 2, 'both came')
  expect(ids(proxy).sort()).toEqual([change.id, event.id].sort())
})
