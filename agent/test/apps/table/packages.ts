/** Libraries that applications use: databases, clients, and those that expect to be in files of their own. */
import { web, type App } from '../app.ts'

const DECORATORS = JSON.stringify({
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

/** PostgreSQL, in a process of its own. */
const POSTGRES = {
  dependencies: { '@electric-sql/pglite': '0.3', '@electric-sql/pglite-socket': '0.0.20' },
  module: `import { createServer } from 'node:net'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
const port = await new Promise(resolve => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address()
    probe.close(() => resolve(port))
  })
})
const db = await PGlite.create()
await db.exec('create table item (id int primary key, name text)')
await new PGLiteSocketServer({ db, port, host: '127.0.0.1' }).start()
console.log(JSON.stringify({ DATABASE_URL: 'postgres://postgres:postgres@127.0.0.1:' + port + '/postgres?sslmode=disable' }))
`,
}

export const PACKAGES: App[] = [
  {
    name: 'pg with a real postgres',
    dependencies: { pg: '8', '@types/pg': '8', ...POSTGRES.dependencies },
    beside: 'postgres.mjs',
    files: {
      'postgres.mjs': POSTGRES.module,
      'hello.ts': `import pg from 'pg'
export async function hello(): Promise<Response> {
  const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
  await client.connect()
  const { rows } = await client.query('select 1 + 1 as sum')
  await client.end()
  return Response.json(rows)
}
`,
    },
    calls: [{ answer: '[{"sum":2}]' }],
  },
  ...(['prisma-client', 'prisma-client-js'] as const).map((generator): App => ({
    name: `prisma 7, generator ${generator}`,
    dependencies: { '@prisma/client': '7', prisma: '7', '@prisma/adapter-pg': '7', ...POSTGRES.dependencies },
    beside: 'postgres.mjs',
    build: [['node', 'node_modules/prisma/build/index.js', 'generate']],
    files: {
      'postgres.mjs': POSTGRES.module,
      'prisma/schema.prisma': `generator client {
  provider = "${generator}"
  ${generator === 'prisma-client' ? 'output = "../generated"' : ''}
}
datasource db {
  provider = "postgresql"
}
model item {
  id Int @id
  name String?
}
`,
      'prisma.config.ts': `export default { schema: 'prisma/schema.prisma' }\n`,
      'hello.ts': `import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from ${generator === 'prisma-client' ? `'./generated/client.ts'` : `'@prisma/client'`}
const client = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.DATABASE_URL }) })
export async function hello(): Promise<Response> {
  await client.item.create({ data: { id: 1, name: 'one' } })
  const again: unknown = await client.item.create({ data: { id: 1 } }).catch((error: unknown) => error)
  return Response.json([await client.item.count(), (again as { code: string }).code])
}
`,
    },
    calls: [{ answer: '[1,"P2002"]' }],
  })),
  {
    name: 'drizzle with a real postgres',
    dependencies: { 'drizzle-orm': '0.44', pg: '8', '@types/pg': '8', ...POSTGRES.dependencies },
    beside: 'postgres.mjs',
    files: {
      'postgres.mjs': POSTGRES.module,
      'hello.ts': `import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
const item = pgTable('item', { id: integer().primaryKey(), name: text() })
const db = drizzle(process.env.DATABASE_URL!)
export async function hello(): Promise<Response> {
  await db.insert(item).values({ id: 1, name: 'one' })
  return Response.json(await db.select().from(item))
}
`,
    },
    calls: [{ answer: '[{"id":1,"name":"one"}]' }],
  },
  {
    name: 'knex with one of its databases',
    dependencies: { knex: '3', pg: '8', ...POSTGRES.dependencies },
    beside: 'postgres.mjs',
    files: {
      'postgres.mjs': POSTGRES.module,
      'hello.ts': `import knex from 'knex'
export async function hello(): Promise<Response> {
  const db = knex({ client: 'pg', connection: process.env.DATABASE_URL })
  await db('item').insert({ id: 1, name: 'one' })
  const rows = await db('item').select('name')
  await db.destroy()
  return Response.json(rows)
}
`,
    },
    calls: [{ answer: '[{"name":"one"}]' }],
  },
  {
    name: 'typeorm',
    dependencies: { typeorm: '0.3', 'reflect-metadata': '0.2', pg: '8', ...POSTGRES.dependencies },
    beside: 'postgres.mjs',
    files: {
      'tsconfig.json': DECORATORS,
      'postgres.mjs': POSTGRES.module,
      'hello.ts': `import 'reflect-metadata'
import { Column, DataSource, Entity, PrimaryColumn } from 'typeorm'
@Entity('item')
class Item {
  @PrimaryColumn() id: number
  @Column({ nullable: true }) name: string
}
const source = new DataSource({ type: 'postgres', url: process.env.DATABASE_URL, entities: [Item] })
export async function hello(): Promise<Response> {
  await source.initialize()
  await source.manager.save(Object.assign(new Item(), { id: 1, name: 'one' }))
  return Response.json(await source.manager.find(Item))
}
`,
    },
    calls: [{ answer: '[{"id":1,"name":"one"}]' }],
  },
  {
    name: 'mongoose',
    dependencies: { mongoose: '8' },
    files: {
      'hello.ts': web(
        `(new Item({}).validateSync()?.message)`,
        `import mongoose from 'mongoose'\nconst Item = mongoose.model('Item', new mongoose.Schema({ name: { type: String, required: true } }))`,
      ),
    },
    calls: [{ answer: /`name` is required/ }],
  },
  {
    name: 'tsyringe with decorator metadata',
    dependencies: { tsyringe: '4', 'reflect-metadata': '0.2' },
    files: {
      'tsconfig.json': DECORATORS,
      'hello.ts': web(
        'container.resolve(Home).greeter.greet()',
        `import 'reflect-metadata'
import { container, injectable } from 'tsyringe'
@injectable() class Greeter { greet() { return 'ok' } }
@injectable() class Home { constructor(readonly greeter: Greeter) {} }`,
      ),
    },
  },
  {
    name: 'jsdom',
    dependencies: { jsdom: '26', '@types/jsdom': '21' },
    files: {
      'hello.ts': web(
        `new JSDOM('<p>ok</p>').window.document.querySelector('p')?.textContent`,
        `import { JSDOM } from 'jsdom'`,
      ),
    },
  },
  {
    name: 'puppeteer-core',
    dependencies: { 'puppeteer-core': '24' },
    files: { 'hello.ts': browser() },
    calls: [{ answer: 'ok' }],
  },
  {
    name: 'puppeteer-core in a container',
    engine: 'docker',
    dependencies: { 'puppeteer-core': '24' },
    files: { 'hello.ts': browser() },
    notes: /puppeteer-core[^]*browser/,
    calls: [{ status: 500, answer: /./ }],
  },
  {
    name: 'openai',
    dependencies: { openai: '6' },
    files: { 'hello.ts': web(`new OpenAI({ apiKey: 'x' }).chat !== undefined && 'ok'`, `import OpenAI from 'openai'`) },
  },
  {
    name: 'ai stream',
    dependencies: { ai: '5' },
    files: {
      'hello.ts': `import { simulateReadableStream } from 'ai'
export const hello = (request: Request) =>
  new Response(simulateReadableStream({ chunks: ['o', 'k'], chunkDelayInMs: 1 }).pipeThrough(new TextEncoderStream()))
`,
    },
  },
  {
    name: '@aws-sdk/client-s3',
    dependencies: { '@aws-sdk/client-s3': '3' },
    files: {
      'hello.ts': web(
        `new S3Client({ region: 'eu-central-1' }).config.serviceId === 'S3' && 'ok'`,
        `import { S3Client } from '@aws-sdk/client-s3'`,
      ),
    },
  },
  {
    name: 'effect',
    dependencies: { effect: '3' },
    files: { 'hello.ts': web(`await Effect.runPromise(Effect.succeed('ok'))`, `import { Effect } from 'effect'`) },
  },
  {
    name: 'packages that are modules only',
    dependencies: { nanoid: '5', 'p-queue': '9' },
    files: {
      'hello.ts': web(
        `await new PQueue().add(async () => nanoid().length === 21 && 'ok')`,
        `import { nanoid } from 'nanoid'\nimport PQueue from 'p-queue'`,
      ),
    },
  },
  {
    name: 'packages that are CommonJS only, and a throw',
    dependencies: { lodash: '4', moment: '2', '@types/lodash': '4' },
    files: {
      'hello.ts': `import _ from 'lodash'
import moment from 'moment'
export async function hello(request: Request): Promise<Response> {
  if (request.url.endsWith('/broken')) throw new Error('on purpose')
  return new Response(_.join([moment.utc(0).year()]))
}
`,
    },
    calls: [{ answer: '1970' }, { path: '/functions/hello/broken', status: 500, answer: /./ }],
  },
  {
    name: 'tiktoken',
    dependencies: { tiktoken: '1' },
    files: {
      'hello.ts': web(
        `get_encoding('cl100k_base').encode('hello world').length`,
        `import { get_encoding } from 'tiktoken'`,
      ),
    },
    calls: [{ answer: '2' }],
  },
  {
    name: 'pino',
    dependencies: { pino: '9' },
    files: { 'hello.ts': web(`(log.info('x'), 'ok')`, `import pino from 'pino'\nconst log = pino()`) },
  },
  {
    name: 'pino with a transport',
    dependencies: { pino: '9', 'pino-pretty': '13' },
    files: {
      'hello.ts': `import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as after } from 'node:timers/promises'
import pino from 'pino'
const destination = tmpdir() + '/pino-' + process.pid + '.log'
const log = pino(pino.transport({ target: 'pino-pretty', options: { destination, colorize: false } }))
export async function hello(): Promise<Response> {
  log.info('written by a worker')
  for (let tries = 0; tries < 200; tries++) {
    if (existsSync(destination) && readFileSync(destination, 'utf8').includes('by a worker')) return new Response('ok')
    await after(25)
  }
  return new Response('lost', { status: 500 })
}
`,
    },
  },
  {
    name: '@grpc/proto-loader with new URL',
    dependencies: { '@grpc/proto-loader': '0.8' },
    files: {
      'greet.proto': 'syntax = "proto3"; package p; message Greeting { string text = 1; }',
      'hello.ts': web(
        `Object.keys(loadSync(fileURLToPath(new URL('./greet.proto', import.meta.url))))`,
        `import { fileURLToPath } from 'node:url'\nimport { loadSync } from '@grpc/proto-loader'`,
      ),
    },
    calls: [{ answer: 'p.Greeting' }],
  },
  {
    name: 'opentelemetry sdk',
    dependencies: { '@opentelemetry/sdk-node': '0.200', '@opentelemetry/api': '1' },
    files: {
      'hello.ts': web(
        `trace.getTracer('app').startActiveSpan('work', span => { span.end(); return 'ok' })`,
        `import { trace } from '@opentelemetry/api'\nimport { NodeSDK } from '@opentelemetry/sdk-node'\nnew NodeSDK({ traceExporter: undefined }).start()`,
      ),
    },
  },
]

function browser(): string {
  return `import puppeteer from 'puppeteer-core'
export async function hello(): Promise<Response> {
  const browser = await puppeteer.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
  const page = await browser.newPage()
  await page.setContent('<p>ok</p>')
  const text = await page.$eval('p', element => element.textContent)
  await browser.close()
  return new Response(text)
}
`
}
