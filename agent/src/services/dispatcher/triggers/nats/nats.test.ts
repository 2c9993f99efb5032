import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { CloudEvent } from '@ryo-faas/runtime/protocol'
import { signDepth } from '../../../../access/index.ts'
import { TheirServer } from '../../../../bus/testing/their-server.ts'
import type { NatsTrigger } from '../../../../contract/index.ts'
import { TestAuthority } from '../../../proxy/front/front-testing.ts'
import { FUNCTIONS_KEY, Stage, until, type Received, type TestServer } from '../../dispatcher-testing.ts'
import type { DispatchedTrigger } from '../../options.ts'

let stage: Stage
let server: TheirServer
beforeEach(async () => {
  stage = await Stage.open()
  server = await TheirServer.start()
  stage.onEnd(() => server.stop())
})
afterEach(() => stage.end())

function trigger(given: Partial<NatsTrigger> = {}, epoch = 1): DispatchedTrigger {
  const start = { epoch, from: { kind: 'time', time: new Date(0).toISOString() } } as const
  return {
    key: 'on',
    kind: 'nats',
    start,
    filters: [{ kind: 'nats', server: 'SERVER', subject: 'orders.>', ...given }],
  }
}
const DURABLE = { durable: 'ours' }

const deploy = (given: Partial<NatsTrigger>, more: object = {}, secrets = { SERVER: server.url }) =>
  stage.deployWith({ triggerSecrets: secrets }, { triggers: [trigger(given)], ...more })
const eventIn = ({ body }: Received): CloudEvent => JSON.parse(body.toString()) as CloudEvent
const datas = ({ received }: TestServer) => received.map(request => eventIn(request).data)
const reasons = () => stage.events.flatMap(event => ('reason' in event ? [event.reason] : []))
const TRACEPARENT = '00-12345678901234567890123456789012-1234567890123456-01'

it.each([
  ['a durable consumer', DURABLE],
  ['a subject', {}],
])('a message on %s is an event, with its trace and its depth, and is shown as a call', async (_way, given) => {
  if (given === DURABLE) await server.stream('ORDERS', 'orders.>')
  const proxy = await stage.server((_request, response) => response.writeHead(204).end())
  await deploy(given)
  await stage.dispatcher(proxy)
  await server.send('orders.new', '{"amount":3}', { traceparent: TRACEPARENT })
  await until(() => proxy.received.length === 1, 'it came')
  const [request] = proxy.received
  expect(request).toMatchObject({ method: 'POST', url: '/functions/fn/.ryo-faas/events/on', attempt: 1 })
  expect(request!.headers).toMatchObject({
    'content-type': 'application/cloudevents+json',
    'x-event-depth': signDepth(FUNCTIONS_KEY, 1),
    traceparent: expect.stringMatching(/^00-12345678901234567890123456789012-/) as string,
  })
  expect(eventIn(request!)).toMatchObject({
    ...{ specversion: '1.0', type: 'ryo-faas.nats.message', subject: 'orders.new', data: { amount: 3 } },
    source: given === DURABLE ? `${server.nats.url}/ORDERS` : server.nats.url,
  })
  expect(await stage.final(request!.callId)).toMatchObject({ status: 'succeeded', function: 'fn' })
  const headers = { 'ce-specversion': '1.0', 'ce-id': '7', 'ce-source': '/shop', 'ce-type': 'paid' }
  await server.send('orders.paid', 'words', { ...headers, 'content-type': 'text/plain' })
  await until(() => proxy.received.length === 2, 'so did the next')
  expect(eventIn(proxy.received[1]!)).toEqual({
    ...{ specversion: '1.0', id: '7', source: '/shop', type: 'paid', datacontenttype: 'text/plain', data: 'words' },
  })
})

it('a message of a durable consumer is acknowledged when its call is final, however often it is tried', async () => {
  await server.stream('ORDERS', 'orders.>', 'workqueue')
  let isBroken = true
  const proxy = await stage.server((_request, response) => response.writeHead(isBroken ? 500 : 204).end())
  await deploy({ ...DURABLE, deliver: 'all' }, { async: { attempts: 100 } })
  await server.send('orders.new', '1')
  await stage.dispatcher(proxy)
  await until(() => proxy.received.length >= 3, 'it is tried again')
  expect(await server.messagesIn('ORDERS')).toBe(1)
  isBroken = false
  await until(async () => (await server.messagesIn('ORDERS')) === 0, 'it is acknowledged')
})

it('loses nothing when a dispatcher is killed in the middle, and runs nothing that had ended again', async () => {
  await server.stream('ORDERS', 'orders.>')
  await server.addConsumer('ORDERS', 'ours', 500)
  let held = 0
  const proxy = await stage.server((_request, response) => {
    if (held < 4) held += 1
    else response.end()
  })
  await deploy(DURABLE, { async: { concurrency: 8 } })
  for (let i = 0; i < 100; i += 1) await server.send('orders.new', String(i))
  const child = await stage.process(proxy)
  await until(() => proxy.received.length >= 50, 'half of them came')
  child.kill('SIGKILL')
  held = Infinity
  await stage.dispatcher(proxy)
  // What was in flight is delivered again when the server has waited for its acknowledgement.
  await until(async () => {
    const { num_pending: waiting, num_ack_pending: open } = await server.consumer('ORDERS', 'ours')
    return waiting === 0 && open === 0
  }, 'all are acknowledged')
  expect(new Set(datas(proxy)).size).toBe(100)
  // At most what was running then.
  expect(proxy.received.length).toBeLessThanOrEqual(108)
})

it('a message that was to be tried again goes to the next function when its own is gone', async () => {
  await server.stream('ORDERS', 'orders.>')
  await server.addConsumer('ORDERS', 'ours', 300)
  const proxy = await stage.server(({ url }, response) => {
    response.writeHead(url.includes('/fn/') ? 500 : 204).end()
  })
  await deploy(DURABLE, { async: { attempts: 100, backoffMs: 60_000 } })
  await stage.dispatcher(proxy)
  await server.send('orders.new', '1')
  await until(() => proxy.received.length === 1, 'it failed')
  await deploy(DURABLE, { route: 'next' })
  await until(() => proxy.received.some(({ url }) => url.includes('/next/')), 'the next has it')
  await until(async () => (await server.consumer('ORDERS', 'ours')).num_ack_pending === 0, 'it is acknowledged')
})

it('messages of a queue group reach one of its members, and what is too much at once is not lost', async () => {
  const proxy = await stage.server()
  await stage.deployWith(
    { triggerSecrets: { SERVER: server.url } },
    { route: 'a', triggers: [trigger({ queue: 'ours' })] },
    { route: 'b', triggers: [trigger({ queue: 'ours' })] },
  )
  await stage.dispatcher(proxy)
  for (let i = 0; i < 3_000; i += 1) await server.send('orders.new', String(i))
  await until(() => proxy.received.length >= 3_000, 'all came')
  expect(datas(proxy).sort()).toEqual(Array.from({ length: 3_000 }, (_, i) => i).sort())
})

it('what cannot be an event is reported and passed over', async () => {
  await server.stream('ORDERS', 'orders.>')
  const proxy = await stage.server()
  await deploy({ ...DURABLE, deliver: 'all' })
  await stage.dispatcher(proxy)
  await server.send('orders.bad', '{', { 'content-type': 'application/cloudevents+json' })
  await server.send('orders.long', 'x'.repeat(600_000))
  await server.send('orders.good', '1')
  await until(() => proxy.received.length === 1, 'the last came')
  await until(async () => (await server.consumer('ORDERS', 'ours')).num_ack_pending === 0, 'none is left')
  expect(reasons()).toEqual([
    expect.stringContaining('orders.bad was skipped: event: the body is not JSON'),
    expect.stringMatching(/orders\.long has \d+ bytes as an event, more than \d+; it was skipped/),
  ])
})

it('comes back when their server was away, and says why it does not listen', async () => {
  await server.stream('ORDERS', 'orders.>')
  const proxy = await stage.server()
  await deploy({ ...DURABLE }, {}, { SERVER: '' })
  await stage.dispatcher(proxy)
  await until(() => reasons().some(reason => reason.includes('the secret SERVER is not set')), 'a secret is missed')
  await deploy({ ...DURABLE }, {}, { SERVER: server.url.replace('secret', 'wrong') })
  await until(() => reasons().some(reason => /authorization/i.test(reason)), 'the server refuses')
  await deploy({ ...DURABLE, deliver: 'all' })
  await server.send('orders.new', '1')
  await until(() => proxy.received.length === 1, 'it came')
  await server.nats.kill()
  await server.nats.start()
  await server.send('orders.new', '2')
  await until(() => proxy.received.length === 2, 'so did the next')
  await deploy({ ...DURABLE, subject: 'nowhere' })
  await until(() => reasons().some(reason => reason.includes('no stream')), 'a stream is missed')
})

it('connects over TLS with the certificates of secrets', async () => {
  const authority = await TestAuthority.create()
  await authority.write(stage.folder, 'server', ['127.0.0.1', 'localhost'])
  await authority.write(stage.folder, 'client', ['us'])
  const { writeFile } = await import('node:fs/promises')
  await writeFile(join(stage.folder, 'ca.crt'), authority.pem)
  const file = (name: string) => join(stage.folder, name)
  const secure = await TheirServer.start({ ca: file('ca.crt'), cert: file('server.crt'), key: file('server.key') })
  stage.onEnd(() => secure.stop())
  const proxy = await stage.server()
  const pem = (name: string) => readFile(file(name), 'utf8')
  const secrets = {
    SERVER: secure.url.replace('nats://', 'tls://').replace('127.0.0.1', 'localhost'),
    ...{ CA: await pem('ca.crt'), CERT: await pem('client.crt'), KEY: await pem('client.key') },
  }
  await deploy({ tls: { ca: 'CA', cert: 'CERT', key: 'KEY' } }, {}, secrets)
  await stage.dispatcher(proxy)
  await secure.send('orders.new', '"safe"')
  await until(() => proxy.received.length === 1, 'it came')
  expect(datas(proxy)).toEqual(['safe'])
})
