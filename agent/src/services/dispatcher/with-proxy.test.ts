import { afterEach, beforeEach, expect, it } from 'vitest'
import { PROOF_PATH } from '../../contract/index.ts'
import { TEST_KEYS } from '../../access/access-testing.ts'
import { createProxy, type Proxy } from '../proxy/index.ts'
import { Stage, until, type TestServer } from './dispatcher-testing.ts'

let stage: Stage
let proxy: Proxy
let url: string
let generation = 0

beforeEach(async () => {
  stage = await Stage.open()
  const { url: natsUrl, user, password } = stage.nats
  const nats = { url: natsUrl, user, password }
  proxy = await createProxy({
    ...{ port: 0, graceMs: 200, readyTimeoutMs: 50, nats, access: TEST_KEYS },
    callbackAllow: ['127.0.0.1'],
  })
  stage.onEnd(() => proxy.close())
  url = `http://127.0.0.1:${proxy.address.port}`
})
afterEach(() => stage.end())

/** Deploys an asynchronous function to both. */
async function serve(instances: TestServer[], { timeoutMs = 5_000 } = {}): Promise<void> {
  const policy = { attempts: 3, backoffMs: 20, concurrency: 4 }
  const route = {
    name: 'fn',
    displayName: 'Fn',
    version: 1,
    timeoutMs,
    concurrency: 0,
    isAnonymous: true,
    async: policy,
  }
  const addresses = instances.map(({ port }) => ({ id: `i${port}`, host: '127.0.0.1', port }))
  await proxy.setRoutes({ generation: ++generation, routes: [{ ...route, instances: addresses }] })
  await stage.deploy({ timeoutMs, async: policy })
}

/** @returns the id, once the proxy has found the bus. */
async function accept(path: string, init: RequestInit = {}): Promise<string> {
  let response: Response | undefined
  await until(async () => {
    response = await fetch(url + path, { method: 'POST', ...init })
    return response.status !== 503
  }, 'the proxy has found the bus')
  expect(response!.status).toBe(202)
  return response!.headers.get('x-call-id')!
}

it('a call end to end: accepted, run with its id and attempt, shown, called back', async () => {
  const instance = await stage.server(({ attempt }, response) => {
    response.statusCode = attempt === 1 ? 500 : 200
    response.end('result')
  })
  const receiver = await stage.server()
  await serve([instance])
  await stage.dispatcher({ url })
  const callId = await accept('/functions/FN/a%20b?x=1', {
    headers: {
      'x-callback-url': receiver.url,
      'x-own': 'Grüße',
      'x-ryo-faas-dispatch': 'guessed',
      'x-call-id': 'forged',
    },
    body: 'payload',
  })
  await until(() => receiver.received.length === 1, 'it is called back')
  expect(instance.received).toHaveLength(2)
  expect(instance.received[1]).toMatchObject({ method: 'POST', url: '/a%20b?x=1', callId, attempt: 2 })
  expect(instance.received[1]!.body.toString()).toBe('payload')
  expect(instance.received[1]!.headers).not.toHaveProperty('x-ryo-faas-dispatch')
  expect(Buffer.from(instance.received[1]!.headers['x-own'] as string, 'latin1').toString('latin1')).toBe('Grüße')
  expect(receiver.received[0]).toMatchObject({ callId, headers: { 'x-function-name': 'FN' } })
  const shown = (await (await fetch(`${url}/calls/${callId}`)).json()) as object
  expect(shown).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 500 }, { outcome: 200 }] })
})

it('a function that takes too long is timed out by the proxy and retried', async () => {
  const instance = await stage.server(({ attempt }, response) => {
    if (attempt > 1) response.end()
  })
  await serve([instance], { timeoutMs: 1_000 })
  await stage.dispatcher({ url })
  const call = await stage.final(await accept('/functions/fn'))
  expect(call).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 'FUNCTION_TIMEOUT' }, { outcome: 200 }] })
})

it('a call waits for an instance without using up attempts', async () => {
  await serve([])
  await stage.dispatcher({ url })
  const callId = await accept('/functions/fn')
  await until(async () => (await stage.view(callId)).error?.code === 'FUNCTION_UNAVAILABLE', 'there is none')
  await serve([await stage.server()])
  expect(await stage.final(callId)).toMatchObject({ status: 'succeeded', attempts: [{ number: 1 }] })
})

it('cancelling a running call aborts the function', async () => {
  let isAborted = false
  const instance = await stage.server((_request, response) => void response.on('close', () => (isAborted = true)))
  await serve([instance])
  await stage.dispatcher({ url })
  const callId = await accept('/functions/fn')
  await until(() => instance.received.length === 1, 'it runs')
  expect(
    (
      await fetch(`${url}/calls/${callId}`, {
        method: 'DELETE',
        headers: { authorization: `Bearer ${TEST_KEYS.operator}` },
      })
    ).ok,
  ).toBe(true)
  await until(() => isAborted, 'the instance is told')
  expect(await stage.view(callId)).toMatchObject({ status: 'cancelled' })
})

it('a program posing as the proxy sees neither calls nor the platform secret', async () => {
  const squatter = await stage.server(undefined, { isProxy: false })
  await serve([await stage.server()])
  await stage.dispatcher(squatter)
  const callId = await accept('/functions/fn', { body: 'payload' })
  await until(async () => (await stage.view(callId)).error !== undefined, 'it was tried')
  expect(squatter.received.length).toBeGreaterThan(0)
  for (const { url, headers, body } of squatter.received) {
    expect([url.split('?')[0], headers['x-ryo-faas-dispatch'], body.length]).toEqual([PROOF_PATH, undefined, 0])
  }
  expect(await stage.view(callId)).toMatchObject({ status: 'queued' })
})
