/** Asynchronous calls as a caller sees them, on a whole platform. */
import type { CallView } from '../../src/contract/index.ts'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { AsyncClient } from './async-client.ts'
import { CallbackReceiver } from './callback-receiver.ts'
import { logLinesOf } from '../support/function-log.ts'

const RUN_OF_CALL = `import { context } from '@ryo-faas/runtime'
  const ran = () => { console.log('ran', context().callId, context().attempt) }`

const FUNCTIONS = {
  job: {
    code: `${RUN_OF_CALL}
      export const job = async (request: Request) => {
        ran()
        return Response.json({ body: await request.text() })
      }`,
    options: { async: true },
  },
  flaky: {
    code: `${RUN_OF_CALL}
      export const flaky = (request: Request) => {
        ran()
        return context().attempt < 3 ? new Response('not yet', { status: 500 }) : Response.json({ attempt: context().attempt })
      }`,
    options: { async: { attempts: 5, backoffMs: 200 } },
  },
  broken: {
    code: `export const broken = () => new Response('broken', { status: 500 })`,
    options: { async: { attempts: 2, backoffMs: 20 } },
  },
  patient: {
    code: `import { context } from '@ryo-faas/runtime'
      export const patient = (request: Request) => new Promise<Response>(resolve => {
        console.log('begun', context().callId)
        if (request.headers.has('x-quick')) return resolve(new Response('quick'))
        request.signal.addEventListener('abort', () => { console.log('aborted', context().callId); resolve(new Response()) })
      })`,
    options: { async: { concurrency: 1 } },
  },
  mirror: {
    code: `export const mirror = async (request: Request) => {
        const { pathname, search } = new URL(request.url)
        return new Response(request.body, { status: 201, headers: { 'x-seen': request.method + ' ' + pathname + search, 'content-type': 'application/x-mirrored' } })
      }`,
  },
  hesitant: {
    code: `export const hesitant = () => new Response('later', { status: 503, headers: { 'retry-after': '600' } })`,
    options: { async: true },
  },
  untouched: { code: `export const untouched = () => new Response()`, options: { async: true } },
}

let platform: TestPlatform
let client: AsyncClient
let receiver: CallbackReceiver
beforeAll(async () => {
  platform = await TestPlatform.make()
  const { proxyUrl } = await platform.start('process', ['--callback-allow', '127.0.0.1'])
  client = new AsyncClient(proxyUrl)
  await platform.ok(['deploy', await writeProject(join(platform.home, 'project'), FUNCTIONS)])
  const { callbackSecret } = JSON.parse(await platform.ok(['env', '--secrets', '--json'])) as { callbackSecret: string }
  receiver = await CallbackReceiver.start(callbackSecret)
})
afterAll(async () => {
  await receiver?.close()
  await platform.remove()
})

/** The calls that the function logged, in any order. */
async function logged(name: string, word: string): Promise<string[]> {
  return (await logLinesOf(platform, name)).flatMap(line => new RegExp(`${word} (\\S+)`).exec(line)?.[1] ?? [])
}

test('a call gets a 202 with its location, where the result appears', async () => {
  const response = await client.send('job', { body: 'payload' })
  const callId = response.headers.get('x-call-id')!
  expect([response.status, response.headers.get('location')]).toEqual([202, `/calls/${callId}`])
  expect(await response.json()).toEqual({ callId, status: 'queued' })
  const call = await client.untilOver(callId)
  expect(call).toMatchObject({ function: 'job', status: 'succeeded', attempts: [{ number: 1, outcome: 200 }] })
  expect(await (await client.result(callId)).json()).toMatchObject({ body: 'payload' })
  expect(await platform.ok(['calls', 'show', callId])).toMatch(/succeeded[^]*attempt 1/)
  expect(await platform.ok(['calls', '--function', 'job', '--status', 'succeeded'])).toContain(callId)
  expect(await client.list('job', (await platform.client()).token)).toContainEqual(
    expect.objectContaining({ id: callId, status: 'succeeded' }),
  )
})

test('invoke --async --wait prints the function’s response', async () => {
  expect(JSON.parse(await platform.ok(['invoke', 'job', '--data', 'cli', '--async', '--wait']))).toMatchObject({
    body: 'cli',
  })
})

test('a function that fails twice is attempted three times, with growing pauses, and calls back once', async () => {
  const callId = await client.queue('flaky', { headers: { 'x-callback-url': receiver.url } })
  const { status, attempts } = await client.untilOver(callId)
  expect([status, attempts.map(({ outcome }) => outcome)]).toEqual(['succeeded', [500, 500, 200]])
  const waits = attempts.slice(0, 2).map(({ finishedAt, retryAt }) => Date.parse(retryAt!) - Date.parse(finishedAt!))
  expect(waits[1]).toBeGreaterThan(waits[0]!)
  await until(async () => (await client.show(callId)).callback?.state === 'delivered' || undefined)
  expect(receiver.of(callId)).toMatchObject([{ status: 200, body: '{"attempt":3}', isGenuine: true }])
  expect(receiver.of(callId)[0]!.headers).toMatchObject({
    'content-type': 'application/json',
    'webhook-id': callId,
    'x-function-name': 'flaky',
    'x-duration-seconds': expect.stringMatching(/^\d+\.\d{3}$/) as string,
  })
})

test('one that always fails is dead-lettered; fixed and redeployed, it can be redriven', async () => {
  const callIds = [await client.queue('broken', { headers: { 'x-callback-url': receiver.url } })]
  callIds.push(await client.queue('broken'))
  for (const callId of callIds) {
    expect(await client.untilOver(callId)).toMatchObject({ status: 'dead', attempts: [{ number: 1 }, { number: 2 }] })
  }
  await until(async () => receiver.of(callIds[0]!)[0])
  const listed = await platform.ok(['calls', '--status', 'dead', '--function', 'broken'])
  for (const callId of callIds) expect(listed).toContain(callId)
  const fixed = { broken: { ...FUNCTIONS.broken, code: `export const broken = () => new Response('mended')` } }
  const file = await writeProject(join(platform.home, 'fixed'), fixed)
  // The name belongs to another project.
  expect(await platform.cli(['deploy', file])).toMatchObject({ code: 1, stderr: expect.stringMatching(/--replace/) })
  await platform.ok(['deploy', file, '--replace'])
  await platform.ok(['calls', 'redrive', callIds[0]!])
  expect(await client.untilOver(callIds[0]!)).toMatchObject({ status: 'succeeded', result: { body: 'mended' } })
  await until(async () => receiver.of(callIds[0]!)[1])
  expect(receiver.of(callIds[0]!)).toMatchObject([
    { status: 500, body: 'broken', isGenuine: true },
    { status: 200, body: 'mended', isGenuine: true },
  ])
  expect(await platform.ok(['calls', 'redrive', '--all', '--function', 'broken'])).toBe('1 dead call redriven\n')
  expect(await client.untilOver(callIds[1]!)).toMatchObject({ status: 'succeeded', result: { body: 'mended' } })
})

test('a call can be cancelled while queued and while running; the next one runs', async () => {
  const running = await client.queue('patient')
  const queued = await client.queue('patient')
  const quick = await client.queue('patient', { headers: { 'x-quick': '1' } })
  await client.untilStatus(running, ['running'])
  await platform.ok(['calls', 'cancel', queued])
  expect(await client.show(queued)).toMatchObject({ status: 'cancelled', attempts: [] })
  await until(async () => (await logged('patient', 'begun')).includes(running) || undefined)
  await platform.ok(['calls', 'cancel', running])
  await until(async () => (await logged('patient', 'aborted')).includes(running) || undefined)
  expect(await client.untilOver(quick)).toMatchObject({ status: 'succeeded', result: { body: 'quick' } })
  expect(await client.show(running)).toMatchObject({ status: 'cancelled', attempts: [{ outcome: 'CANCELLED' }] })
  expect(await logged('patient', 'begun')).not.toContain(queued)
  expect(await platform.cli(['calls', 'cancel', running])).toMatchObject({ code: 1 })
})

test('queued calls of a stopped function stay queued, and stop says so; all of them are cancelled at once', async () => {
  const callIds = await Promise.all(Array.from({ length: 40 }, () => client.queue('hesitant')))
  await until(async () =>
    (await client.list('hesitant', (await platform.client()).token)).find(
      ({ nextAttemptAt }) => nextAttemptAt !== undefined,
    ),
  )
  const { code, stderr } = await platform.cli(['stop', 'Hesitant'])
  expect([code, stderr]).toEqual([0, expect.stringContaining('calls cancel --all --function Hesitant')])
  expect(await client.show(callIds[0]!)).toMatchObject({ status: 'queued' })
  expect(await platform.ok(['calls', 'cancel', '--all', '--function', 'Hesitant'])).toBe('40 calls cancelled\n')
  for (const callId of callIds) expect(await client.show(callId)).toMatchObject({ status: 'cancelled' })
  expect(await platform.ok(['calls', 'cancel', '--all', '--function', 'Hesitant'])).toBe('0 calls cancelled\n')
})

test('the same Idempotency-Key is the same call, at the same time and afterwards', async () => {
  const headers = { 'idempotency-key': 'order 17' }
  const both = await Promise.all([client.queue('job', { headers }), client.queue('job', { headers })])
  await client.untilOver(both[0])
  both.push(await client.queue('job', { headers }))
  expect(new Set(both).size).toBe(1)
  expect((await client.show(both[0])).attempts).toHaveLength(1)
  expect((await logged('job', 'ran')).filter(callId => callId === both[0])).toHaveLength(1)
  expect(await client.queue('job', { headers: { 'idempotency-key': 'order 18' } })).not.toBe(both[0])
})

test('10 MiB go in and come out unchanged; one more byte is refused', async () => {
  const body = randomBytes(10 * 1024 * 1024)
  const callId = await client.queue('mirror', { body, headers: { prefer: 'respond-async' } })
  const { status, result } = await client.untilOver(callId)
  expect([status, result?.bodyBytes, result?.body]).toEqual(['succeeded', body.length, undefined])
  const answer = await client.result(callId)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([201, 'application/x-mirrored'])
  expect(Buffer.from(await answer.arrayBuffer()).equals(body)).toBe(true)
  const refused = await client.send('job', { body: Buffer.concat([body, Buffer.from('!')]) })
  expect([refused.status, refused.headers.get('x-ryo-faas-error')]).toEqual([413, 'PAYLOAD_TOO_LARGE'])
})

test('any function can be called asynchronously: Prefer: respond-async, or /async-function/', async () => {
  const preferred = await client.send('mirror', { headers: { prefer: 'respond-async' }, body: 'x' })
  expect([preferred.status, preferred.headers.get('preference-applied')]).toEqual([202, 'respond-async'])
  const callId = await client.queue('Mirror/rest/of%20it?x=1&x=2', { prefix: 'async-function', method: 'PUT' })
  await client.untilOver(callId)
  expect((await client.result(callId)).headers.get('x-seen')).toBe('PUT /rest/of%20it?x=1&x=2')
  expect((await client.send('mirror', { body: 'at once' })).status).toBe(201)
})

test('a missing function is a 404 at once, however it is called', async () => {
  for (const response of [
    await client.send('nobody', { headers: { prefer: 'respond-async' } }),
    await client.send('nobody', { prefix: 'async-function' }),
  ]) {
    expect([response.status, response.headers.get('x-ryo-faas-error')]).toEqual([404, 'FUNCTION_NOT_FOUND'])
  }
})

test.each([
  'not a url',
  '/relative',
  'ftp://example.com/x',
  'http://user:password@example.com/',
  'http://169.254.169.254/latest/meta-data',
  'http://[fe80::1]/',
  'http://0.0.0.0/',
])('a result cannot be sent to %s: 400, and nothing is queued', async url => {
  const refused = await client.send('untouched', { headers: { 'x-callback-url': url } })
  expect([refused.status, refused.headers.get('x-ryo-faas-error')]).toEqual([400, 'BAD_REQUEST'])
  expect(await client.list('untouched', (await platform.client()).token)).toEqual([])
})

test('while NATS is down a call is refused with Retry-After, and no accepted one is lost', async () => {
  const { identity } = JSON.parse(await readFile(join(platform.home, 'run/nats.json'), 'utf8')) as {
    identity: { pid: number }
  }
  const callIds = [await client.queue('job')]
  process.kill(identity.pid, 'SIGKILL')
  let refusals = 0
  await until(async () => {
    const response = await client.send('job')
    if (response.status === 202) callIds.push(((await response.json()) as { callId: string }).callId)
    else {
      expect([response.status, response.headers.get('x-ryo-faas-error')]).toEqual([503, 'ASYNC_UNAVAILABLE'])
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
      refusals += 1
    }
    return (refusals > 0 && response.status === 202) || undefined
  })
  const ends = await Promise.all(callIds.map(callId => untilOverOrLater(callId)))
  expect(ends.every(({ status }) => status === 'succeeded')).toBe(true)
})

/** Without the bus there is no calls API. */
function untilOverOrLater(callId: string): Promise<CallView> {
  return until(async () => {
    const call = await client.show(callId).catch(() => undefined)
    return call?.status === 'succeeded' || call?.status === 'dead' ? call : undefined
  }, 40_000)
}
