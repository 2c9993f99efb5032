import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { testFunction } from './index.ts'

const text = async (app: Awaited<ReturnType<typeof testFunction>>, path = '/a?x=1', init?: RequestInit) =>
  (await app.request(path, init)).text()

it('finds out by its shape what an app is', async () => {
  const workers = {
    fetch: (request: Request, env: Record<string, string>) => new Response(env['NAME'] + new URL(request.url).search),
  }
  expect(await text(await testFunction(workers, { env: { NAME: 'w' } }))).toBe('w?x=1')
  const { Hono } = await import('hono')
  const hono = new Hono().get('/a', c => c.text(`hono ${c.req.query('x')}`))
  expect(await text(await testFunction(hono))).toBe('hono 1')
  const { default: Koa } = await import('koa')
  const koa = new Koa().use(c => void (c.body = `koa ${c.path}`))
  expect(await text(await testFunction(koa))).toBe('koa /a')
  const { default: fastify } = await import('fastify')
  const app = fastify()
  app.get('/a', async () => 'fastify')
  expect(await text(await testFunction(app))).toBe('fastify')
})

it('takes a module of methods as one function', async () => {
  const module = {
    GET: () => new Response('got'),
    POST: async (request: Request) => new Response(await request.text()),
  }
  const app = await testFunction(module)
  expect(await text(app)).toBe('got')
  expect(await text(app, '/', { method: 'POST', body: 'posted' })).toBe('posted')
  expect((await app.request('/', { method: 'PUT' })).status).toBe(405)
})

it('is told what a function is for', async () => {
  const lambda = async (event: { rawPath: string }) => ({ statusCode: 201, body: event.rawPath })
  const app = await testFunction(lambda, { style: 'lambda' })
  const response = await app.request('/a?x=1')
  expect([response.status, await response.text()]).toEqual([201, '/a'])
  const express = (request: { query: { x: string } }, response: { send(text: string): void }) =>
    response.send(`express ${request.query.x}`)
  expect(await text(await testFunction(express, { style: 'express' }))).toBe('express 1')
})

it('has the global of streaming handlers before they are loaded', async () => {
  // In a process of its own: other tests share the global.
  const script = `
    import { testFunction } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)}
    const streaming = awslambda.streamifyResponse(async (_event, stream) => void stream.end('streamed'))
    const app = await testFunction(streaming, { style: 'lambda' })
    console.log(await (await app.request('/')).text())`
  const args = ['--conditions=source', '--import', 'tsx', '--input-type=module', '--eval', script]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout.trim()).toBe('streamed')
})

it('refuses what it can make nothing of', async () => {
  await expect(testFunction({ answer: 42 } as object)).rejects.toThrow(
    'needs a function, an app or a module of handlers',
  )
})
