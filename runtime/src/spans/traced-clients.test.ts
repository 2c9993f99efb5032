/** What clients other than `fetch` send within an invocation, as seen by the server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request as httpRequest, type RequestOptions, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fetch as npmFetch, request as npmRequest } from 'undici'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { send, serveWeb } from '../testing/serve-handler.ts'
import { startSpanCollector, type ReceivedSpan, type SpanCollector } from '../testing/span-collector.ts'
import { traceClients } from './traced-clients.ts'
import { tracedFetch } from './traced-fetch.ts'

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const MINE = `00-${'2'.repeat(32)}-${'1'.repeat(16)}-00`

let collector: SpanCollector
let other: Server
let base: string
let stop: () => void
/** Requests received by the server that handlers call. */
const called: Record<string, unknown>[] = []

beforeAll(async () => {
  stop = traceClients()
  collector = await startSpanCollector()
  other = createServer((request, response) => {
    called.push(request.headers)
    if (request.url === '/cut') return void response.destroy()
    if (request.url === '/moved') return void response.writeHead(302, { location: '/' }).end()
    response.writeHead(request.url === '/broken' ? 503 : 200).end()
  })
  other.on('upgrade', (request, socket) => {
    called.push(request.headers)
    socket.end('HTTP/1.1 400 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
  })
  other.on('connect', (request, socket) => {
    called.push(request.headers)
    socket.end('HTTP/1.1 400 No\r\n\r\n')
  })
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
})
afterAll(() => {
  stop()
  collector.close()
  other.close()
})
afterEach(() => {
  collector.spans.length = 0
  called.length = 0
})

/** Runs it as an invocation of a trace; resolves when `expected` spans have arrived, including its own. */
async function within(run: () => Promise<unknown>, expected: number, headers: Record<string, string> = {}) {
  const traces = { url: collector.url, perSecond: 10, ratio: 0, slowMs: 0 }
  {
    await using served = await serveWeb(async () => (await run(), new Response()), { traces })
    const trace = { traceparent: `00-${TRACE}-${PARENT}-01` }
    expect((await send(served.port, { headers: { ...trace, ...headers } })).status).toBe(200)
  }
  await vi.waitFor(() => expect(collector.spans.length).toBeGreaterThanOrEqual(expected), { timeout: 5_000 })
  expect(collector.spans).toHaveLength(expected)
}

const clientSpans = (): ReceivedSpan[] => collector.spans.filter(({ kind }) => kind === 3)

function viaHttp(path: string, options: RequestOptions = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(base + path, { agent: false, ...options })
    request.on('response', response => {
      response.resume()
      response.on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject).end()
  })
}

/** Functions run on Node 24; Node 20 announces a request of `node:http` only after its headers are sent. */
const announcesHttp = Number(process.versions.node.split('.', 1)[0]) >= 24

type Headers = Record<string, string>
type Client = [string, (path: string, headers?: Headers) => Promise<unknown>]
const HTTP: Client = ['node:http', (path, headers = {}) => viaHttp(path, { headers })]
const CLIENTS: Client[] = [
  ['fetch', async (path, headers = {}) => (await tracedFetch(base + path, { headers })).text()],
  ...(announcesHttp ? [HTTP] : []),
  ['fetch of undici', async (path, headers = {}) => (await npmFetch(base + path, { headers })).text()],
  ['request of undici', async (path, headers = {}) => (await npmRequest(base + path, { headers })).body.text()],
]

describe.each(CLIENTS)('a request by %s', (_name, ask) => {
  it('carries the trace with a new parent, tracestate and baggage, and is one span', async () => {
    await within(() => ask('/there?key=1'), 2, { tracestate: 'a=1, b=2', baggage: 'k=v' })
    const [client] = clientSpans()
    const invocation = collector.spans.find(({ kind }) => kind === 2)!
    expect(client).toMatchObject({
      name: 'GET',
      traceId: TRACE,
      parentSpanId: invocation.spanId,
      attributes: { 'url.full': `${base}/there`, 'http.request.method': 'GET', 'http.response.status_code': '200' },
    })
    expect(called).toEqual([
      expect.objectContaining({
        traceparent: `00-${TRACE}-${client!.spanId}-01`,
        tracestate: 'a=1,b=2',
        baggage: 'k=v',
      }),
    ])
  })

  it('has its own parent each time', async () => {
    await within(() => Promise.all([ask('/'), ask('/'), ask('/')]), 4)
    expect(new Set(called.map(({ traceparent }) => traceparent)).size).toBe(3)
    expect(called.every(({ traceparent }) => String(traceparent).startsWith(`00-${TRACE}-`))).toBe(true)
  })

  it('keeps its caller’s decision not to sample', async () => {
    await within(() => ask('/'), 0, { traceparent: `00-${TRACE}-${PARENT}-00` })
    expect(called[0]!['traceparent']).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
  })

  it('keeps its own traceparent and baggage', async () => {
    await within(() => ask('/', { TraceParent: MINE }), 1, { tracestate: 'a=1', baggage: 'k=v' })
    expect(called[0]).toMatchObject({ traceparent: MINE })
    expect(called[0]).not.toHaveProperty('tracestate')
    expect(called[0]).not.toHaveProperty('baggage')
    await within(() => ask('/', { baggage: 'mine=1' }), 3, { baggage: 'k=v' })
    expect(called[1]).toMatchObject({ baggage: 'mine=1' })
  })

  it('distinguishes failures', async () => {
    await within(async () => {
      await ask('/broken')
      await ask('/cut').catch(() => {})
    }, 3)
    const [broken, cut] = clientSpans()
    expect(broken).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': '503' } })
    expect(cut).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': expect.stringMatching(/Error$/) } })
  })

  it('carries nothing outside an invocation', async () => {
    await ask('/')
    expect(called[0]).not.toHaveProperty('traceparent')
  })
})

it('a redirect that fetch follows is one request with one span', async () => {
  await within(async () => (await tracedFetch(`${base}/moved`)).text(), 2)
  expect(called[0]!['traceparent']).toBe(called[1]!['traceparent'])
})

it('a traceparent set later on a request of node:http is kept, and its request is not a span', async () => {
  await within(
    () =>
      new Promise(resolve => {
        const request = httpRequest(base, { agent: false }, response => response.resume().on('end', resolve))
        request.setHeader('traceparent', MINE)
        request.end()
      }),
    1,
  )
  expect(called[0]).toMatchObject({ traceparent: MINE })
})

it('what fetch would not send is left alone: upgrades, tunnels, sockets in the file system, headers sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ryo-faas-clients-'))
  const socketPath = join(folder, 'socket')
  const local = createServer((request, response) => {
    called.push(request.headers)
    response.end()
  })
  await new Promise<void>(resolve => local.listen(socketPath, resolve))
  await within(async () => {
    await viaHttp('/', { headers: { connection: 'upgrade', upgrade: 'websocket' } })
    await new Promise(resolve => {
      httpRequest(base, { method: 'CONNECT', path: 'a:1' }).on('connect', resolve).on('error', resolve).end()
    })
    await viaHttp('/', { headers: ['x-raw', '1', 'host', 'a'] })
    await viaHttp('/', { socketPath })
  }, 1)
  local.close()
  rmSync(folder, { recursive: true })
  expect(called).toHaveLength(4)
  for (const headers of called) expect(headers).not.toHaveProperty('traceparent')
})

it('requests that export spans are not part of any trace, even during an invocation', async () => {
  const arrived = (count: number) => vi.waitFor(() => expect(clientSpans().length).toBeGreaterThanOrEqual(count), 5_000)
  await within(async () => {
    await (await tracedFetch(`${base}/first`)).text()
    await arrived(1)
    await (await tracedFetch(`${base}/second`)).text()
    await arrived(2)
  }, 3)
  expect(clientSpans().map(({ attributes }) => attributes['url.full'])).toEqual([`${base}/first`, `${base}/second`])
})
