import { createServer } from 'node:http'
import * as framework from '@google-cloud/functions-framework'
import * as frameworkTesting from '@google-cloud/functions-framework/testing'
import express, { type NextFunction, type Request, type Response } from 'express'
import * as expressModule from 'express'
import fastify from 'fastify'
import Koa from 'koa'
import { expect, test, vi } from 'vitest'
import { singleHandler } from '../handler-set.ts'
import { send, serveDialect, serveHandlers } from '../../testing/serve-handler.ts'
import { answerOf, expectSameAnswers, type TriedRequest } from '../../testing/same-answers.ts'
import { expressHandler, fastifyApp, functionsFramework, koaApp, nestApp } from './index.ts'

const json = (value: unknown) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
const REQUESTS: TriedRequest[] = [
  {},
  { path: '/posts/7?tag=a&tag=b' },
  { method: 'POST', path: '/posts', ...json({ a: 1 }) },
  { method: 'POST', path: '/posts', headers: { 'content-type': 'application/json' }, body: '{' },
  { path: '/none' },
  { path: '/fails' },
  { method: 'HEAD' },
]

function expressApp() {
  const app = express()
  app.set('env', 'test') // Its own log of errors stays silent.
  app.use(express.json())
  app.get('/', (_request, response) => void response.cookie('a', '1').send('hi'))
  app.get('/posts/:id', ({ params, query }, response) => void response.json({ ...params, ...query }))
  app.post('/posts', ({ body }, response) => void response.status(201).json(body))
  app.get('/fails', () => {
    throw new Error('boom')
  })
  app.use((_error: Error, _request: Request, response: Response, _next: NextFunction) => void response.sendStatus(418))
  return app
}

test('an Express app answers as it does on its own', async () => {
  const handler = expressApp()
  await using served = await serveHandlers(singleHandler({ style: 'node', takesContext: false, handler }))
  await expectSameAnswers(served.port, expressApp(), REQUESTS)
})

test("a handler and a router of Express get a request and a response of the package's Express", async () => {
  const handler = (request: Request, response: Response, next: NextFunction) =>
    request.query['next'] ? next() : response.status(202).json({ path: request.path, body: request.body as unknown })
  const router = express.Router().post('/posts', handler)
  const packages = { express: expressModule }
  for (const exported of [handler, router]) {
    await using served = await serveDialect(expressHandler, exported, { packages })
    expect(
      await send(served.port, { method: 'POST', path: '/posts', headers: json(1).headers }, '{"a":1}'),
    ).toMatchObject({ status: 202, body: '{"path":"/posts","body":{"a":1}}' })
    expect((await send(served.port, { method: 'POST', path: '/posts?next=1' })).status).toBe(404)
  }
  await expect(serveDialect(expressHandler, handler)).rejects.toThrow('needs the package express')
})

test('a Koa app answers as it does on its own', async () => {
  const make = () => {
    const app = new Koa()
    app.silent = true
    app.use(async context => {
      if (context.path === '/') context.body = 'hi'
      if (context.path === '/fails') throw new Error('boom')
      if (context.path.startsWith('/posts')) context.body = { query: { ...context.query }, method: context.method }
    })
    return app
  }
  await using served = await serveDialect(koaApp, make())
  await expectSameAnswers(served.port, make().callback(), REQUESTS)
})

test('a Fastify app answers as it does on its own, and is closed at the end', async () => {
  const closed = vi.fn()
  const make = () => {
    const app = fastify()
    app.addHook('onClose', async () => closed())
    app.get('/', () => 'hi')
    app.get('/posts/:id', ({ params, query }) => ({ params, query }))
    app.post('/posts', ({ body }, reply) => reply.code(201).send(body))
    app.get('/fails', async () => {
      throw new Error('boom')
    })
    return app
  }
  const own = make()
  await own.ready()
  {
    await using served = await serveDialect(fastifyApp, make())
    await expectSameAnswers(served.port, own.routing, REQUESTS)
    expect(closed).not.toHaveBeenCalled()
  }
  expect(closed).toHaveBeenCalledOnce()
  await own.close()
})

test('a NestJS app is initialized before the first request and closed after the last, on Express and on Fastify', async () => {
  const fast = fastify()
  fast.get('/', () => 'hi')
  for (const instance of [expressApp(), fast]) {
    const steps: string[] = []
    const app = {
      init: async () => void steps.push('init'),
      getHttpAdapter: () => ({ getInstance: () => instance }),
      close: async () => void steps.push('close'),
    }
    {
      await using served = await serveDialect(nestApp, Promise.resolve(app))
      expect((await send(served.port)).body).toBe('hi')
      expect(steps).toEqual(['init'])
    }
    expect(steps).toEqual(['init', 'close'])
  }
  await fast.close()
})

const packages = {
  '@google-cloud/functions-framework': framework,
  '@google-cloud/functions-framework/testing': frameworkTesting,
}

test('an HttpFunction answers as it does under functions-framework, registered by the module or by us', async () => {
  const handler: framework.HttpFunction = (request, response) => {
    response.status(201).send({ body: request.body as unknown, raw: request.rawBody?.toString(), query: request.query })
  }
  framework.http('registered', handler)
  const requests = REQUESTS.filter(({ body }) => body !== '{').concat({ path: '/favicon.ico' })
  for (const options of [{ target: 'registered' }, { signature: 'http' as const }]) {
    await using served = await serveDialect(functionsFramework, handler, { options, packages })
    const own = frameworkTesting.getTestServer('registered')
    await expectSameAnswers(served.port, (request, response) => void own.emit('request', request, response), requests)
  }
})

test('a CloudEventFunction gets the event', async () => {
  const events: unknown[] = []
  const handler: framework.CloudEventFunction = event => void events.push([event.type, event.data])
  await using served = await serveDialect(functionsFramework, handler, {
    options: { signature: 'cloudEvent' },
    packages,
  })
  const event = { specversion: '1.0', id: '1', source: 'test', type: 'order', data: { a: 1 } }
  const headers = { 'content-type': 'application/cloudevents+json' }
  expect((await answerOf(served.port, { method: 'POST', headers, body: JSON.stringify(event) })).status).toBe(204)
  expect(events).toEqual([['order', { a: 1 }]])
})

test('what is not the app that its type said is refused', async () => {
  await expect(serveDialect(koaApp, {})).rejects.toThrow('a Koa app')
  await expect(serveDialect(fastifyApp, createServer())).rejects.toThrow('a Fastify app')
  await expect(serveDialect(nestApp, undefined)).rejects.toThrow('a NestJS app')
})
