/** Applications written for a web framework, exported as its documentation says. */
import { web, type App } from '../app.ts'

const HELLO = '/functions/hello'

export const FRAMEWORKS: App[] = [
  {
    name: 'express app',
    isSample: true,
    dependencies: { express: '5' },
    files: {
      'hello.js': `import express from 'express'
export const hello = express()
hello.get('/', (request, response) => response.send('home'))
hello.get('/items/:id', (request, response) => response.json({ id: request.params.id }))
hello.get('/broken', () => { throw new Error('on purpose') })
`,
    },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
    calls: [
      { path: HELLO, answer: 'home' },
      { path: `${HELLO}/items/7`, answer: '{"id":"7"}' },
      { path: `${HELLO}/nowhere`, status: 404, answer: /Cannot GET/ },
      { path: `${HELLO}/broken`, status: 500, answer: /Error/ },
    ],
  },
  {
    name: 'express app in a wrapper, with static files and uploads',
    dependencies: { express: '5', multer: '2', '@types/express': '5', '@types/multer': '2' },
    files: {
      'public/page.txt': 'static',
      'hello.ts': `import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import express from 'express'
import multer from 'multer'
const app = express()
app.use('/public', express.static(join(import.meta.dirname, 'public')))
app.post('/upload', multer().single('file'), (request, response) => { response.send(String(request.file?.size)) })
app.get('/broken', () => { throw new Error('a secret of the stack') })
export const hello = (request: IncomingMessage, response: ServerResponse) => { app(request as never, response as never) }
`,
    },
    calls: [
      { path: `${HELLO}/public/page.txt`, answer: 'static' },
      { path: `${HELLO}/nowhere`, status: 404, answer: /Cannot GET/ },
      // NODE_ENV is "production": no stack for callers.
      { path: `${HELLO}/broken`, status: 500, answer: /^(?![^]*a secret of the stack)[^]*Internal Server Error/ },
      {
        path: `${HELLO}/upload`,
        method: 'POST',
        headers: { 'content-type': 'multipart/form-data; boundary=b' },
        body: '--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n1234\r\n--b--\r\n',
        answer: '4',
      },
    ],
  },
  {
    name: "handler with express' types",
    dependencies: { express: '5', '@types/express': '5' },
    files: {
      'hello.ts': `import type { Request, Response } from 'express'
export function hello(request: Request, response: Response) { response.status(201).send('ok ' + request.path) }
`,
    },
    calls: [{ path: `${HELLO}/x`, status: 201, answer: 'ok /x' }],
  },
  {
    name: 'hono app.fetch',
    dependencies: { hono: '4' },
    files: {
      'hello.ts': `import { Hono } from 'hono'
const app = new Hono()
app.get('/', c => c.text('ok')).get('/items/:id', c => c.json({ id: c.req.param('id') }))
export const hello = app.fetch
`,
    },
    calls: [{ answer: 'ok' }, { path: `${HELLO}/items/7`, answer: '{"id":"7"}' }],
  },
  {
    name: 'hono export default app',
    dependencies: { hono: '4' },
    files: {
      'hello.ts': `import { Hono } from 'hono'
const app = new Hono()
app.get('*', c => c.text('ok'))
export default app
`,
    },
  },
  {
    name: 'fastify app.routing, top-level await',
    isSample: true,
    dependencies: { fastify: '5' },
    files: {
      'hello.ts': `import Fastify from 'fastify'
const app = Fastify()
app.get('/', async () => 'ok')
await app.ready()
export const hello = app.routing
`,
    },
  },
  {
    name: 'fastify app',
    dependencies: { fastify: '5' },
    files: {
      'hello.ts': `import Fastify from 'fastify'
export const hello = Fastify()
hello.get('/', async () => 'ok')
hello.get('/items/:id', async request => request.params)
`,
    },
    calls: [{ answer: 'ok' }, { path: `${HELLO}/items/7`, answer: '{"id":"7"}' }],
  },
  {
    name: 'koa app.callback()',
    dependencies: { koa: '3', '@types/koa': '3' },
    files: {
      'hello.ts': `import Koa from 'koa'
const app = new Koa()
app.use(context => { context.body = 'ok' })
export const hello = app.callback()
`,
    },
  },
  {
    name: 'trpc fetch adapter',
    dependencies: { '@trpc/server': '11', zod: '4' },
    files: {
      'hello.ts': `import { initTRPC } from '@trpc/server'
import { fetchRequestHandler } from '@trpc/server/adapters/fetch'
import { z } from 'zod'
const t = initTRPC.create()
const router = t.router({ greet: t.procedure.input(z.string()).query(({ input }) => 'Hello, ' + input) })
export const hello = (req: Request) => fetchRequestHandler({ endpoint: '', req, router })
`,
    },
    calls: [{ path: `${HELLO}/greet?input=%22you%22`, answer: '{"result":{"data":"Hello, you"}}' }],
  },
  {
    name: 'graphql yoga',
    dependencies: { 'graphql-yoga': '5', graphql: '16' },
    files: {
      'hello.ts': `import { createSchema, createYoga } from 'graphql-yoga'
const schema = createSchema({ typeDefs: 'type Query { greet: String }', resolvers: { Query: { greet: () => 'ok' } } })
export const hello = createYoga({ schema, graphqlEndpoint: '*', logging: false }).fetch
`,
    },
    calls: [{ path: `${HELLO}?query={greet}`, answer: '{"data":{"greet":"ok"}}' }],
  },
  {
    name: 'nestjs',
    dependencies: {
      '@nestjs/common': '11',
      '@nestjs/core': '11',
      '@nestjs/platform-express': '11',
      'reflect-metadata': '0.2',
      rxjs: '7',
      express: '5',
      '@types/express': '5',
    },
    files: {
      'tsconfig.json': decorators(),
      'hello.ts': `import 'reflect-metadata'
import { Controller, Get, Injectable, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ExpressAdapter } from '@nestjs/platform-express'
import express from 'express'
@Injectable()
class Greeter { greet() { return 'ok' } }
@Controller()
class Home {
  constructor(private readonly greeter: Greeter) {}
  @Get() home() { return this.greeter.greet() }
}
@Module({ controllers: [Home], providers: [Greeter] })
class App {}
export const hello = express()
const app = await NestFactory.create(App, new ExpressAdapter(hello), { logger: false })
await app.init()
`,
    },
  },
  {
    name: "ejs by express' view engine",
    dependencies: { express: '5', ejs: '3' },
    files: {
      'views/page.ejs': 'Hello, <%= name %>',
      'hello.js': `import express from 'express'
import { join } from 'node:path'
export const hello = express()
hello.set('views', join(import.meta.dirname, 'views')).set('view engine', 'ejs')
hello.get('/', (request, response) => response.render('page', { name: 'you' }))
`,
    },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
    calls: [{ answer: 'Hello, you' }],
  },
  {
    name: 'ejs by app.engine',
    dependencies: { express: '5', ejs: '3' },
    files: {
      'views/page.ejs': 'Hello, <%= name %>',
      'hello.js': `import ejs from 'ejs'
import express from 'express'
import { join } from 'node:path'
export const hello = express()
hello.engine('ejs', ejs.renderFile).set('views', join(import.meta.dirname, 'views')).set('view engine', 'ejs')
hello.get('/', (request, response) => response.render('page', { name: 'you' }))
`,
    },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
    calls: [{ answer: 'Hello, you' }],
  },
  {
    name: 'websocket, form data, server-sent events, two cookies',
    files: {
      'hello.ts': `export async function hello(request: Request): Promise<Response> {
  if (request.method === 'POST') return new Response(String((await request.formData()).get('name')))
  if (request.url.endsWith('/events')) return new Response('data: 1\\n\\ndata: 2\\n\\n', { headers: { 'content-type': 'text/event-stream' } })
  const headers = new Headers()
  headers.append('set-cookie', 'a=1')
  headers.append('set-cookie', 'b=2')
  return new Response('ok', { headers })
}
`,
    },
    calls: [
      { answer: 'ok' },
      { path: `${HELLO}/events`, answer: 'data: 1\n\ndata: 2\n\n' },
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: 'name=you',
        answer: 'you',
      },
    ],
  },
  {
    name: 'zod web handler',
    isSample: true,
    dependencies: { zod: '4' },
    files: {
      'hello.ts': web(
        `Body.parse({ name: 'ok' }).name`,
        `import { z } from 'zod'\nconst Body = z.object({ name: z.string() })`,
      ),
    },
  },
]

function decorators(): string {
  return JSON.stringify({
    compilerOptions: {
      target: 'ES2022',
      module: 'ESNext',
      moduleResolution: 'bundler',
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
      strict: true,
      strictPropertyInitialization: false,
    },
  })
}
