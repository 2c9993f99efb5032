/**
 * One trace through everything that can happen to a call: the client's `traceparent`, proxy, function, an asynchronous
 * call that fails once, its callback, a write to the store and its trigger. Checks what an OTLP receiver gets.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { PlatformView } from '../../src/contract/index.ts'
import { EXAMPLES, TestPlatform, writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import { OtlpReceiver, type ReceivedSpan } from './otlp-receiver.ts'
import { sampleOf } from '../support/whole-suite.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const CLIENT = '00f067aa0ba902b7'
/** 5 of the proxy, 6 of functions, 4 of the dispatcher, 1 of the store, and the message. */
const SPANS = 17

const FUNCTIONS = {
  order: {
    code: `import { call, store } from '@ryo-faas/runtime'
      export const order = async (request: Request) => {
        const { callback } = await request.json() as { callback: string }
        const accepted = await call('work', { method: 'POST', headers: { 'x-callback-url': callback } })
        await store('orders').create({ n: 1 })
        return Response.json(await accepted.json())
      }`,
  },
  work: {
    code: `import { context } from '@ryo-faas/runtime'
      export const work = () => {
        if (context().attempt === 1) throw new Error('not yet')
        return new Response('done')
      }`,
    options: { async: { attempts: 3, backoffMs: 20 } },
  },
  watcher: {
    code: `export const watcher = async () => {}`,
    options: { on: [{ table: 'orders', events: ['new-doc'] }] },
  },
}

describe.each(sampleOf(['docker', 'process']))('with functions as %s', engine => {
  let receiver: OtlpReceiver
  let callbacks: Server
  let callbackTrace: string | undefined
  let platform: TestPlatform
  let view: PlatformView
  let file: string

  beforeAll(async () => {
    receiver = await OtlpReceiver.start()
    callbacks = createServer((request, response) => {
      callbackTrace = request.headers['traceparent'] as string
      request.resume().on('end', () => response.end())
    })
    await new Promise<void>(resolve => callbacks.listen(0, '127.0.0.1', resolve))
    platform = await TestPlatform.make({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
    view = await platform.start(engine, ['--callback-allow', '127.0.0.1'])
    file = await writeProject(join(platform.home, 'shop'), FUNCTIONS)
    await platform.ok(['deploy', file])
  })
  afterAll(async () => {
    await platform.remove()
    callbacks.close()
    receiver.close()
  })

  test('every step is there, under the right parent, and linked to its origin', async () => {
    const callback = `http://127.0.0.1:${(callbacks.address() as AddressInfo).port}/done`
    const answer = await fetch(`${view.proxyUrl}/functions/order`, {
      method: 'POST',
      headers: { traceparent: `00-${TRACE}-${CLIENT}-01`, 'content-type': 'application/json' },
      body: JSON.stringify({ callback }),
    })
    expect(answer.status).toBe(200)
    const { callId } = (await answer.json()) as { callId: string }
    const spans = await receiver.trace(TRACE, SPANS)
    const one = (name: string, service: string): ReceivedSpan => {
      const found = spans.filter(span => span.name === name && span.service === service)
      expect(found, `${name} of ${service}`).toHaveLength(1)
      return found[0]!
    }
    const childOf = (parent: ReceivedSpan, name: string, service: string): ReceivedSpan => {
      const found = spans.filter(
        span => span.name === name && span.service === service && span.parentSpanId === parent.spanId,
      )
      expect(found, `${name} of ${service} below ${parent.name}`).toHaveLength(1)
      return found[0]!
    }

    const entry = one('POST /functions/order', 'ryo-faas-proxy')
    expect(entry).toMatchObject({ kind: 2, parentSpanId: CLIENT, attributes: { 'http.response.status_code': '200' } })
    const order = childOf(entry, 'order', 'order')
    expect(order.attributes).toMatchObject({ 'faas.trigger': 'http', 'faas.coldstart': true })

    const asked = childOf(order, 'call work', 'order')
    const accepted = childOf(asked, 'POST /functions/work', 'ryo-faas-proxy')
    expect(accepted.attributes).toMatchObject({ 'http.response.status_code': '202', 'faas.invocation_id': callId })
    const sent = childOf(accepted, 'send work', 'ryo-faas-proxy')
    expect(sent).toMatchObject({ kind: 4, attributes: { 'messaging.message.id': callId } })

    const attempts = spans
      .filter(span => span.name === 'process work')
      .sort((a, b) => Number(a.attributes['ryo_faas.call.attempt']) - Number(b.attributes['ryo_faas.call.attempt']))
    expect(attempts).toHaveLength(2)
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({ kind: 5, service: 'ryo-faas-dispatcher', parentSpanId: sent.spanId })
      expect(attempt.links).toMatchObject([{ traceId: TRACE, spanId: sent.spanId }])
      expect(attempt.attributes).toMatchObject({ 'faas.trigger': 'pubsub', 'faas.invocation_id': callId })
    }
    const [failed, succeeded] = attempts as [ReceivedSpan, ReceivedSpan]
    expect([failed.status.code, succeeded.status.code]).toEqual([2, 0])
    const failedRun = childOf(childOf(failed, 'POST /functions/work', 'ryo-faas-proxy'), 'work', 'work')
    expect(failedRun).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'FUNCTION_ERROR' } })
    const run = childOf(childOf(succeeded, 'POST /functions/work', 'ryo-faas-proxy'), 'work', 'work')
    expect(run.attributes).toMatchObject({ 'ryo_faas.call.attempt': '2', 'faas.invocation_id': callId })
    const delivered = childOf(succeeded, 'POST callback', 'ryo-faas-dispatcher')
    expect(callbackTrace).toBe(`00-${TRACE}-${delivered.spanId}-01`)

    const written = childOf(childOf(order, 'store POST', 'order'), 'create orders', 'ryo-faas-store')
    expect(written.attributes).toMatchObject({ 'db.operation.name': 'create', 'db.collection.name': 'orders' })
    const triggered = childOf(written, 'process watcher', 'ryo-faas-dispatcher')
    expect(triggered.attributes).toMatchObject({ 'faas.trigger': 'datasource' })
    expect(triggered.links).toMatchObject([{ traceId: TRACE, spanId: written.spanId }])
    childOf(childOf(triggered, 'POST /functions/watcher', 'ryo-faas-proxy'), 'watcher', 'watcher')

    // No span lacks its parent.
    const known = new Set([CLIENT, ...spans.map(({ spanId }) => spanId)])
    expect(spans.filter(({ parentSpanId }) => !known.has(parentSpanId ?? ''))).toEqual([])
  })

  test('the agent shows the same trace, by its id and by the call', async () => {
    const client = await platform.client()
    const received = receiver.spans.filter(({ traceId }) => traceId === TRACE)
    const trace = await until(async () => {
      const found = await client.call('trace', { params: { id: TRACE } }).catch(() => undefined)
      return found?.spans.length === SPANS ? found : undefined
    })
    expect(new Set(trace.spans.map(({ spanId }) => spanId))).toEqual(new Set(received.map(({ spanId }) => spanId)))
    expect(trace).toMatchObject({ name: 'POST /functions/order', status: 'error' })
    const { traces } = await client.call('traces', { query: { callId: trace.callId! } })
    expect(traces.map(({ traceId }) => traceId)).toEqual([TRACE])
  })

  test('the example shows its own spans, a call, and propagated baggage', async () => {
    await platform.ok(['deploy', join(EXAMPLES, 'otel')])
    const body = JSON.stringify({ customer: 'ada', items: [{ name: 'tea', price: 3 }] })
    const answer = await platform.ok(['invoke', 'Checkout', '-H', 'baggage: country=FR', '--data', body])
    const { tax, trace: traceId } = JSON.parse(answer) as { tax: number; trace: string }
    expect(tax).toBe(0.6)
    const spans = await receiver.trace(traceId, 7)
    const nameOf = (id: string | undefined) => spans.find(({ spanId }) => spanId === id)?.name
    const parents = spans.map(({ name, service, parentSpanId }) => [service, name, nameOf(parentSpanId)])
    expect(parents.sort()).toEqual([
      ['Checkout', 'Checkout', 'POST /functions/checkout'],
      ['Checkout', 'call tax', 'Checkout'],
      ['Checkout', 'total', 'Checkout'],
      ['Tax', 'Tax', 'GET /functions/tax'],
      ['Tax', 'look up rate', 'Tax'],
      ['ryo-faas-proxy', 'GET /functions/tax', 'call tax'],
      ['ryo-faas-proxy', 'POST /functions/checkout', undefined],
    ])
    expect(spans.find(({ name }) => name === 'Checkout')!.attributes).toMatchObject({ 'shop.customer': 'ada' })
    expect(spans.find(({ name }) => name === 'look up rate')!.attributes).toEqual({ 'shop.country': 'FR' })
  })

  test('a deploy is a trace too, once the agent has loaded its SDK', async () => {
    const client = await platform.client()
    const trace = await until(async () => {
      await platform.ok(['deploy', file, '--only', 'order'])
      const { traces } = await client.call('traces', { query: { attribute: 'faas.name=order' } })
      // A deploy that was running while it loaded has no root span.
      const found = traces.find(({ rootService, name }) => rootService === 'ryo-faas-agent' && name === 'deploy')
      return found && client.call('trace', { params: { id: found.traceId } })
    })
    const root = trace.spans.find(({ parentSpanId }) => parentSpanId === undefined)!
    const below = (id: string) => trace.spans.filter(span => span.parentSpanId === id).map(({ name }) => name)
    expect(below(root.spanId)).toEqual(expect.arrayContaining(['check', 'deploy order']))
    expect(below(trace.spans.find(({ name }) => name === 'deploy order')!.spanId)).toContain('bundle')
  })
})

test('an external receiver that hangs, and then disappears, does not affect calls; their traces are kept here', async () => {
  const receiver = await OtlpReceiver.start({ answers: false })
  const platform = await TestPlatform.make({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url })
  try {
    const { proxyUrl } = await platform.start('process')
    const code = `export const plain = () => new Response('fine')`
    await platform.ok(['deploy', await writeProject(join(platform.home, 'plain'), { plain: { code } })])
    const call = () => fetch(`${proxyUrl}/functions/plain`).then(response => response.text())
    const answers = async () => new Set(await Promise.all(Array.from({ length: 200 }, call)))
    expect(await answers()).toEqual(new Set(['fine']))
    await until(async () => (receiver.requests > 0 ? true : undefined))
    receiver.close()
    expect(await answers()).toEqual(new Set(['fine']))
    const client = await platform.client()
    await until(async () => {
      const { traces } = await client.call('traces', { query: { function: 'plain' } })
      return traces.length > 0 ? true : undefined
    })
  } finally {
    await platform.remove()
  }
})
