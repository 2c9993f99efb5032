import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { serveDialect } from '../../testing/serve-handler.ts'
import { answerOf, expectSameAnswers, type TriedRequest } from '../../testing/same-answers.ts'
import { openfaas } from './index.ts'

const errors = vi.spyOn(console, 'error')
beforeEach(() => void errors.mockImplementation(() => {}))
afterEach(() => void errors.mockReset())

interface Event {
  body: unknown
  method: string
  path: string
  query: object
  headers: Record<string, string>
}

interface Context {
  status(code: number): Context
  headers(values: Record<string, string>): Context
  succeed(value: unknown): void
  fail(value: unknown): void
}

const handler = async ({ body, method, path, query }: Event, context: Context): Promise<unknown> => {
  switch (path) {
    case '/returned':
      return { returned: true }
    case '/failed':
      return context.fail('no')
    case '/thrown':
      throw new Error('boom')
    case '/page':
      return context.headers({ 'Content-Type': 'text/plain' }).succeed('<p>')
  }
  return context.status(201).succeed({ body, method, query })
}

/** The template's own server: https://github.com/openfaas/templates/blob/master/template/node20/index.js */
function templateServer() {
  class FunctionContext {
    cbCalled = 0
    statusCode = 200
    headerValues = {}
    cb: (error: unknown, value?: unknown) => void
    constructor(cb: (error: unknown, value?: unknown) => void) {
      this.cb = cb
    }
    status(value?: number) {
      if (!value) return this.statusCode
      this.statusCode = value
      return this
    }
    headers(value?: object) {
      if (!value) return this.headerValues
      this.headerValues = value
      return this
    }
    succeed(value?: unknown) {
      this.cbCalled++
      this.cb(undefined, value)
    }
    fail(value: unknown) {
      this.cbCalled++
      this.cb(value)
    }
  }
  const app = express()
  app.use(express.text({ type: 'text/*' }), express.json(), express.urlencoded({ extended: true }))
  app.disable('x-powered-by').disable('etag')
  app.use((req, res) => {
    const done = (error: unknown, value?: unknown) => {
      if (error) return res.status(500).send(String(error))
      const sent = typeof value === 'object' ? JSON.stringify(value) : value
      return res
        .set(context.headers())
        .status(context.status() as number)
        .send(sent)
    }
    const { body = {} as unknown, headers, method, query, path } = req
    const context = new FunctionContext(done)
    Promise.resolve(handler({ body, headers, method, query, path } as unknown as Event, context as unknown as Context))
      .then(value => context.cbCalled || context.succeed(value))
      .catch(done)
  })
  return app as unknown as (request: IncomingMessage, response: ServerResponse) => void
}

test('a handler of the node template answers as under the template', async () => {
  const post = (type: string, body: string): TriedRequest => ({
    method: 'POST',
    headers: { 'content-type': type },
    body,
  })
  await using served = await serveDialect(openfaas, handler)
  await expectSameAnswers(served.port, templateServer(), [
    { path: '/?a=1&b=2' },
    post('application/json', '{"a":1}'),
    post('text/plain', 'hi'),
    post('application/x-www-form-urlencoded', 'a=1'),
    ...['/returned', '/failed', '/thrown', '/page'].map(path => ({ path })),
  ])
})

test('RAW_BODY leaves the body as it is', async () => {
  const raw = async ({ body }: Event) => `${Buffer.isBuffer(body)} ${String(body)}`
  const withEnv = (exported: unknown, _options: unknown, surroundings: Parameters<typeof openfaas>[2]) =>
    openfaas(exported, undefined, { ...surroundings, env: { RAW_BODY: 'true' } })
  await using served = await serveDialect(withEnv, raw)
  const headers = { 'content-type': 'application/json' }
  expect((await answerOf(served.port, { method: 'POST', headers, body: '{"a":1}' })).body).toBe('true {"a":1}')
})
