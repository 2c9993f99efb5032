import type { LookupAddress } from 'node:dns'
import { HTTP, type CloudEvent } from 'cloudevents'
import { Webhook } from 'standardwebhooks'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { STREAMS } from '../../../bus/index.ts'
import { readState, redriveCall, writeState } from '../../../calls/index.ts'
import { SECRET, Stage, until, type Received } from '../dispatcher-testing.ts'
import type { Callback } from './callback-message.ts'
import { CallbackSender } from './callback-sender.ts'
import type { Resolve } from '../../../calls/index.ts'

let stage: Stage

beforeEach(async () => {
  stage = await Stage.open()
})
afterEach(() => stage.end())

/** @throws if the signature is not ours. */
function verify({ body, headers }: Received): void {
  new Webhook(SECRET).verify(body, headers as Record<string, string>, { jsonParse: false })
}

const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

it('sends one signed callback after three attempts: body, type, status and duration of the last', async () => {
  const proxy = await stage.server(({ attempt }, response) => {
    response.writeHead(attempt < 3 ? 500 : 200, { 'content-type': 'text/x-own', 'x-private': 'stays' })
    response.end(`é ${attempt}`)
  })
  const receiver = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const callId = await stage.call({
    callbackUrl: `${receiver.url}/hook?a=1`,
    traceparent: trace,
    tracestate: 'vendor=1',
  })
  await until(async () => (await stage.view(callId)).callback?.state === 'delivered', 'it is delivered')
  await until(() => stage.isEmpty(STREAMS.callbacks), 'the queue is empty')
  expect(receiver.received).toHaveLength(1)
  const [callback] = receiver.received as [Received]
  verify(callback)
  expect(callback).toMatchObject({ method: 'POST', url: '/hook?a=1', callId })
  expect(callback.body.toString()).toBe('é 3')
  expect(callback.headers).toMatchObject({
    'content-type': 'text/x-own',
    'webhook-id': callId,
    'x-function-name': 'FN',
    'x-function-status': '200',
    'x-duration-seconds': expect.stringMatching(/^0\.\d{3}$/),
    traceparent: trace,
    tracestate: 'vendor=1',
  })
  expect(callback.headers).not.toHaveProperty('x-private')
  expect((await stage.view(callId)).callback).toMatchObject({ state: 'delivered', attempts: 1 })
})

it('sends the result as a CloudEvent in binary mode if asked to', async () => {
  let status = 200
  const proxy = await stage.server((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end('{"a":1}')
  })
  const receiver = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const asked = { callbackUrl: receiver.url, headers: [['X-Callback-Format', 'cloudevents']] as [string, string][] }
  const ids = [await stage.call(asked)]
  await until(() => receiver.received.length === 1, 'the first came')
  status = 422
  ids.push(await stage.call({ ...asked, traceparent: trace }))
  await until(() => receiver.received.length === 2, 'the second came')
  const events = receiver.received.map(
    ({ headers, body }) => HTTP.toEvent({ headers, body: body.toString() }) as CloudEvent,
  )
  expect(events.map(event => event.validate())).toEqual([true, true])
  expect(events).toMatchObject([
    { id: ids[0], type: 'ryo-faas.call.succeeded', source: '/functions/fn', subject: ids[0], data: { a: 1 } },
    { id: ids[1], type: 'ryo-faas.call.failed', traceparent: trace, datacontenttype: 'application/json' },
  ])
  receiver.received.forEach(verify)
})

it('also reports failed and dead calls, and again a redriven one, with another webhook id', async () => {
  let status = 422
  const proxy = await stage.server((_request, response, incoming) => {
    if (status === 0) return void response.write('half', () => incoming.socket.destroy())
    response.statusCode = status
    response.end(`status ${status}`)
  })
  const receiver = await stage.server()
  await stage.deploy({ async: { attempts: 1 } })
  await stage.dispatcher(proxy)
  const failed = await stage.call({ callbackUrl: receiver.url })
  await until(() => receiver.received.length === 1, 'told of the failure')
  expect(receiver.received[0]).toMatchObject({ callId: failed, headers: { 'x-function-status': '422' } })

  status = 0
  const dead = await stage.call({ callbackUrl: receiver.url })
  await until(() => receiver.received.length === 2, 'told of the death')
  expect(receiver.received[1]).toMatchObject({
    callId: dead,
    headers: { 'x-function-status': '502', 'x-ryo-faas-error': 'CONNECTION_LOST', 'webhook-id': dead },
  })
  expect(JSON.parse(receiver.received[1]!.body.toString())).toMatchObject({ error: { code: 'CONNECTION_LOST' } })

  status = 200
  await until(async () => (await stage.view(dead)).callback?.state === 'delivered', 'noted')
  await redriveCall(stage.bus, dead)
  await until(() => receiver.received.length === 3, 'told of the success')
  expect(receiver.received[2]).toMatchObject({ callId: dead, headers: { 'x-function-status': '200' } })
  expect(receiver.received[2]!.headers['webhook-id']).not.toBe(dead)
  receiver.received.forEach(verify)
})

it('delivers a body of 10 MiB', async () => {
  const body = Buffer.alloc(10 * 1024 * 1024, 'ab')
  const proxy = await stage.server((_request, response) => response.end(body))
  const receiver = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy)
  await stage.call({ callbackUrl: receiver.url })
  await until(() => receiver.received.length === 1, 'it is delivered')
  expect(receiver.received[0]!.body.equals(body)).toBe(true)
})

it('waits for a receiver that is down, and for one that answers with errors', async () => {
  const proxy = await stage.server()
  const answers = [500, 429, 302]
  const receiver = await stage.server((_request, response) => {
    response.statusCode = answers.shift() ?? 204
    response.end()
  })
  await receiver.stop()
  await stage.deploy({})
  await stage.dispatcher(proxy, { callback: { backoffMs: 5 } })
  const callId = await stage.call({ callbackUrl: receiver.url })
  await until(async () => ((await stage.view(callId)).callback?.attempts ?? 0) >= 2, 'it was tried')
  await receiver.start()
  await until(async () => (await stage.view(callId)).callback?.state === 'delivered', 'it is delivered')
  expect(receiver.received).toHaveLength(4)
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([callId]))
  receiver.received.forEach(verify)
})

it('waits while its call is not known to be over, as a server that is behind has it', async () => {
  const proxy = await stage.server()
  const receiver = await stage.server()
  await receiver.stop()
  await stage.deploy({})
  await stage.dispatcher(proxy, { callback: { backoffMs: 5, attempts: 1_000 } })
  const callId = await stage.call({ callbackUrl: receiver.url })
  await until(async () => ((await stage.view(callId)).callback?.attempts ?? 0) >= 1, 'it was tried')
  const write = (status: 'running' | 'succeeded') =>
    until(async () => {
      const { state, revision } = (await readState(stage.bus, callId))!
      const writing = writeState(stage.bus, { ...state, status }, revision)
      return writing.then(
        () => true,
        () => false, // An attempt was noted in between.
      )
    }, 'it is written')
  await write('running')
  await until(() => stage.events.some(({ type }) => type === 'call-put-back'), 'it was put back')
  await receiver.start()
  await write('succeeded')
  await until(async () => (await stage.view(callId)).callback?.state === 'delivered', 'it is delivered')
  expect(receiver.received).toHaveLength(1)
})

it.each([
  { receiver: 'no longer wants it', status: 410, attempts: 1 },
  { receiver: 'never takes it', status: 500, attempts: 3 },
])('gives up on a receiver that $receiver', async ({ status, attempts }) => {
  const proxy = await stage.server()
  const receiver = await stage.server((_request, response) => {
    response.statusCode = status
    response.end()
  })
  await stage.deploy({})
  await stage.dispatcher(proxy, { callback: { backoffMs: 5, attempts: 3 } })
  const callId = await stage.call({ callbackUrl: receiver.url })
  await until(async () => (await stage.view(callId)).callback?.state === 'failed', 'it is given up')
  expect((await stage.view(callId)).callback).toMatchObject({ attempts })
  expect(receiver.received).toHaveLength(attempts)
  await until(() => stage.isEmpty(STREAMS.callbacks), 'the queue is empty')
})

it('sends nothing to an address that is refused, without changing the call', async () => {
  const proxy = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy)
  const callId = await stage.call({ callbackUrl: 'http://169.254.169.254/latest/meta-data' })
  await until(async () => (await stage.view(callId)).callback?.state === 'failed', 'it is given up')
  expect(await stage.view(callId)).toMatchObject({ status: 'succeeded', callback: { attempts: 1 } })
  expect(stage.events).toContainEqual(expect.objectContaining({ type: 'callback-failed', callId }))
})

it('does not let a hanging receiver delay the others', async () => {
  const proxy = await stage.server()
  const hanging = await stage.server(() => {})
  const receiver = await stage.server()
  await stage.deploy({})
  await stage.dispatcher(proxy, { callback: { concurrency: 4, concurrencyPerReceiver: 2 } })
  await Promise.all(Array.from({ length: 8 }, () => stage.call({ callbackUrl: hanging.url })))
  await until(() => hanging.received.length === 2, 'it hangs')
  const callId = await stage.call({ callbackUrl: receiver.url })
  await until(async () => (await stage.view(callId)).callback?.state === 'delivered', 'it is delivered')
  expect(hanging.received).toHaveLength(2)
})

const callback: Omit<Callback, 'url'> = {
  callId: 'c',
  webhookId: 'c',
  functionName: 'Fn',
  status: 200,
  event: undefined,
  durationMs: 1,
  traceparent: undefined,
  tracestate: undefined,
  headers: [['content-type', 'text/plain']],
  body: Buffer.from('result'),
}
const signal = new AbortController().signal

/** Names resolve to what the test says, one list per look-up. */
function sender(
  names: Record<string, string[][]>,
  options: { allow?: string[]; timeoutMs?: number } = {},
): CallbackSender {
  const resolve = ((name: string, _options: object, done: (error: Error | null, found: LookupAddress[]) => void) => {
    const answers = names[name]?.shift() ?? []
    const found = answers.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
    done(found.length > 0 ? null : new Error(`no such name ${name}`), found)
  }) as unknown as Resolve
  const made = new CallbackSender({
    secret: SECRET,
    allow: ['127.0.0.1', '*.test'],
    timeoutMs: 5_000,
    resolve,
    ...options,
  })
  stage.onEnd(() => made.close())
  return made
}

it.each(['169.254.169.254', '0.0.0.0', '224.0.0.1', 'fe80::1', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'])(
  'refuses a name that resolves to %s',
  async address => {
    const outcome = await sender({ 'innocent.test': [[address]] }).send(
      { ...callback, url: 'http://innocent.test/' },
      signal,
    )
    expect(outcome).toMatchObject({ kind: 'refused' })
  },
)

it.each(['127.0.0.1', '10.0.0.1', '::1', 'fd12::1', '2002:7f00:1::', '::ffff:192.168.0.1', '64:ff9b::7f00:1'])(
  'refuses a name that resolves to %s unless the allow-list names it',
  async address => {
    const names = { 'innocent.test': [[address]] }
    const outcome = await sender(names, { allow: ['*'] }).send({ ...callback, url: 'http://innocent.test/' }, signal)
    expect(outcome).toMatchObject({ kind: 'refused', reason: expect.stringContaining('--callback-allow') as string })
  },
)

it('refuses a name if one of its addresses is refused', async () => {
  const { port } = await stage.server()
  const outcome = await sender({ 'both.test': [['127.0.0.1', '169.254.169.254']] }).send(
    { ...callback, url: `http://both.test:${port}/` },
    signal,
  )
  expect(outcome).toMatchObject({ kind: 'refused' })
})

it('connects to the address it has checked, even if the name resolves to another a moment later', async () => {
  const { port, received } = await stage.server()
  const names = { 'rebinding.test': [['127.0.0.1'], ['169.254.169.254']] }
  const outcome = await sender(names).send({ ...callback, url: `http://rebinding.test:${port}/` }, signal)
  expect(outcome).toEqual({ kind: 'delivered' })
  expect(received).toHaveLength(1)
  expect(names['rebinding.test']).toHaveLength(1)
})

it.each([
  { target: 'a metadata address', location: 'http://169.254.169.254/', names: {} },
  { target: 'a name for one', location: 'http://meta.test/', names: { 'meta.test': [['169.254.169.254']] } },
  { target: 'a host that is not allowed', location: 'http://127.0.0.2/', names: {} },
  { target: 'loopback', location: 'http://localhost:1/', names: {}, allow: ['*', '127.0.0.1'] },
  { target: 'a name for loopback', location: 'http://a.b/', names: { 'a.b': [['::1']] }, allow: ['*', '127.0.0.1'] },
  { target: 'another scheme', location: 'file:///etc/passwd', names: {} },
])('does not follow a redirect to $target', async ({ location, names, allow = ['127.0.0.1', '*.test'] }) => {
  const { url } = await stage.server((_request, response) => response.writeHead(307, { location }).end())
  const outcome = await sender(names, { allow }).send({ ...callback, url }, signal)
  expect(outcome).toMatchObject({ kind: 'refused' })
})

it('follows a redirect that keeps the method, with the whole message', async () => {
  const last = await stage.server()
  const { url } = await stage.server((_request, response) => response.writeHead(308, { location: last.url }).end())
  expect(await sender({}).send({ ...callback, url }, signal)).toEqual({ kind: 'delivered' })
  expect(last.received[0]).toMatchObject({ method: 'POST' })
  verify(last.received[0]!)
})

it('does not follow redirects in a circle, nor wait forever', async () => {
  const circle = await stage.server((_request, response) => response.writeHead(307, { location: '/' }).end())
  expect(await sender({}).send({ ...callback, url: circle.url }, signal)).toMatchObject({ kind: 'retry' })
  const hanging = await stage.server(() => {})
  const outcome = await sender({}, { timeoutMs: 50 }).send({ ...callback, url: hanging.url }, signal)
  expect(outcome).toMatchObject({ kind: 'retry' })
})
