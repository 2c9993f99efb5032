import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { publish, PublishError, type EventToPublish } from './publish.ts'
import { send, serveWeb } from './testing/serve-handler.ts'

interface Asked {
  url: string
  headers: Record<string, string>
  body: unknown
}

/** A fake proxy, which refuses events of the type `refused`. */
const received: Asked[] = []
const proxy = createServer(async (request, response) => {
  const pieces: Buffer[] = []
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece)
  const body: unknown = JSON.parse(Buffer.concat(pieces).toString())
  received.push({ url: request.url!, headers: request.headers as Record<string, string>, body })
  if ((body as { type?: string }).type === 'refused') {
    response
      .writeHead(503)
      .end(JSON.stringify({ error: { code: 'ASYNC_UNAVAILABLE', message: 'no bus', requestId: '' } }))
  } else response.writeHead(202).end('{}')
})
let proxyUrl: string
beforeAll(async () => {
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(() => void proxy.close().closeAllConnections())

/** What `publish` resolves to in a function, and what the proxy got. */
async function publishing(
  event: EventToPublish | EventToPublish[],
  headers: Record<string, string> = {},
  to = proxyUrl,
) {
  received.length = 0
  let outcome: unknown
  const run = async (): Promise<Response> => {
    outcome = await publish(event as EventToPublish).catch((error: unknown) => error)
    return new Response()
  }
  await using served = await serveWeb(run, { proxyUrl: to, token: 'of-the-function', name: 'Shop' })
  await send(served.port, { headers })
  return { outcome, asked: received[0] }
}

test('an event is completed, and sent with trace, depth and the token of the function', async () => {
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }
  const { outcome, asked } = await publishing(
    { type: 'com.example.paid', data: { amount: 3 } },
    { ...trace, 'x-event-depth': '2.signed' },
  )
  expect(asked).toMatchObject({
    url: '/events',
    headers: {
      ...{ 'content-type': 'application/cloudevents+json', 'proxy-authorization': 'Bearer of-the-function' },
      ...{ traceparent: trace.traceparent, 'x-event-depth': '2.signed' },
    },
    body: {
      ...{
        specversion: '1.0',
        type: 'com.example.paid',
        source: '/functions/shop',
        datacontenttype: 'application/json',
      },
      ...{ id: expect.stringMatching(/^[0-9a-f-]{36}$/), time: expect.stringMatching(/Z$/), data: { amount: 3 } },
    },
  })
  expect(outcome).toEqual(asked!.body)
})

test('what is given stays; bytes travel as base64; several go as one batch', async () => {
  const whole = { ...{ type: 't', id: '7', source: '/own', subject: 's', time: '2026-01-01T00:00:00Z' }, own: true }
  const { asked, outcome } = await publishing([
    { ...whole, data: new Uint8Array([0, 255]) },
    { ...whole, id: '8' },
  ])
  expect(asked!.headers['content-type']).toBe('application/cloudevents-batch+json')
  expect(asked!.body).toEqual([
    { ...whole, specversion: '1.0', datacontenttype: 'application/octet-stream', data_base64: 'AP8=' },
    { ...whole, specversion: '1.0', id: '8' },
  ])
  expect(outcome).toHaveLength(2)
  expect(await publishing([])).toEqual({ outcome: [], asked: undefined })
})

test('an invalid event is not sent, and its attribute is named', async () => {
  const { outcome, asked } = await publishing({ type: 't', source: 'two words' })
  expect([outcome, asked]).toEqual([expect.any(TypeError), undefined])
  expect((outcome as Error).message).toMatch(/^publish\(\): source must be a URI reference/)
})

test('a refusal says why, and so does a platform that is away', async () => {
  const refused = (await publishing({ type: 'refused' })).outcome as PublishError
  expect(refused).toMatchObject({
    name: 'PublishError',
    code: 'ASYNC_UNAVAILABLE',
    status: 503,
    message: 'publish(): no bus',
  })
  const away = (await publishing({ type: 't' }, {}, 'http://127.0.0.1:1')).outcome as PublishError
  expect(away).toMatchObject({ code: 'UNREACHABLE', status: 0 })
  await expect(publish({ type: 't' })).rejects.toThrow('works only while a function runs')
})
