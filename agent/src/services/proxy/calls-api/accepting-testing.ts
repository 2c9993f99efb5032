/** A proxy with a real bus and one function that is called asynchronously. */
import type http from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { ensureStreams, lastMessage, STREAMS, subjectOf, type Bus } from '../../../bus/index.ts'
import { managerOf, startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { decodeCall, getBody, type CallHead } from '../../../calls/index.ts'
import { AS_OPERATOR, TEST_KEYS } from '../../../access/access-testing.ts'
import { call, Stage, until, type Answer, type TestInstance } from '../proxy-testing.ts'
import type { Proxy } from '../proxy.ts'

/** By which a dispatcher is known. */
export const DISPATCH_TOKEN = 'a-secret-of-the-platform'
export const ASYNC_ROUTE = { async: { attempts: 5, backoffMs: 1000, concurrency: 10 } }

export interface AcceptingBench {
  nats: TestNats
  bus: Bus
  /** Of one test, like what follows. */
  stage: Stage
  proxy: Proxy
  /** Answers with the headers that it got. */
  instance: TestInstance
  post(path: string, body?: string | Buffer, headers?: http.OutgoingHttpHeaders): Promise<Answer>
  /** What is queued under this id. */
  kept(callId: string): Promise<{ head: CallHead; body: Buffer }>
  queueLength(): Promise<number>
}

/** One bus for a file of tests; each test begins with a proxy of its own and an empty queue. */
export function useAccepting(): AcceptingBench {
  const bench = {
    post: (path, body = '', headers = {}) => call(bench.proxy, path, { method: 'POST', body, headers }),
    async kept(callId) {
      const { bus } = bench
      const message = await lastMessage(bus, STREAMS.calls, subjectOf('call', callId))
      const { head, body } = decodeCall(message!.data)
      const { bodyRef, bodyBytes } = head
      return { head, body: bodyRef === undefined ? Buffer.from(body) : await getBody(bus, bodyRef, bodyBytes) }
    },
    queueLength: async () => (await managerOf(bench.bus).streams.info(STREAMS.calls)).state.messages,
  } as AcceptingBench
  beforeAll(async () => {
    bench.nats = await startNats()
    bench.bus = await bench.nats.connect()
    await ensureStreams(bench.bus)
  })
  afterAll(() => bench.nats.stop())
  beforeEach(async () => {
    const stage = new Stage()
    bench.stage = stage
    bench.proxy = await stage.proxy({
      nats: addressOf(bench.nats),
      access: { ...TEST_KEYS, part: DISPATCH_TOKEN },
      asyncBodyLimitBytes: 20 * 1024 ** 2,
    })
    bench.instance = await stage.http((request, response) => response.end(JSON.stringify(request.headers)))
    await stage.serve(bench.proxy, [bench.instance], ASYNC_ROUTE)
  })
  afterEach(async () => {
    await bench.stage.end()
    for (const stream of Object.values(STREAMS)) await managerOf(bench.bus).streams.purge(stream)
  })
  return bench
}

export function addressOf({ url, user, password }: TestNats) {
  return { url, user, password }
}

export const busFound = (proxy: Proxy): Promise<void> =>
  until(
    async () => (await call(proxy, '/calls', { headers: AS_OPERATOR })).status === 200,
    'the proxy has found the bus',
  )

/** Of a call that was accepted. */
export function idOf(answer: Answer): string {
  expect(answer).toMatchObject({ status: 202, code: undefined })
  const { callId, status } = JSON.parse(answer.body) as { callId: string; status: string }
  expect(status).toBe('queued')
  expect(answer.headers).toMatchObject({ 'x-call-id': callId, location: `/calls/${callId}` })
  return callId
}
