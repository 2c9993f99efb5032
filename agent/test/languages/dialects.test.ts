/**
 * Applications as the documentation of each dialect writes them, with the real packages: recognized, bundled, started and
 * called. That their answers are those of their own runtimes is shown beside the adapters.
 */
import { mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CheckOutcome } from '../../src/languages/index.ts'
import { NodeLanguage } from '../../src/languages/node/node-language.ts'
import { DELIVERED, runFunction, temporaryFolder } from '../../src/languages/node/builder/testing/bundled-function.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const post = (body: string): RequestInit => ({ method: 'POST', body, headers: { 'content-type': 'application/json' } })

interface App {
  code: string
  export?: string
  form: string
  /** Default: GET /. */
  path?: string
  init?: RequestInit
  answer: string
}

const APPS: Record<string, App> = {
  'hono.ts': {
    code: `import { Hono } from 'hono'
const app = new Hono<{ Bindings: { HOME_PAGE?: string } }>()
app.get('/posts/:id', c => c.json({ id: c.req.param('id'), env: typeof c.env }))
export default app`,
    form: 'Hono app',
    path: '/posts/7',
    answer: '200 {"id":"7","env":"object"}',
  },
  'h3.ts': {
    code: `import { H3 } from 'h3'\nexport const app = new H3().get('/', () => ({ hello: 'h3' }))\nexport default app`,
    form: 'H3 app',
    answer: '200 {"hello":"h3"}',
  },
  'worker.ts': {
    code: `export default {
  async fetch(request: Request, env: Record<string, string>, ctx: { waitUntil(work: Promise<unknown>): void }) {
    ctx.waitUntil(Promise.resolve())
    return new Response(typeof env)
  },
  async scheduled(event: { cron: string }) { console.log(event.cron) },
}`,
    form: 'Worker',
    answer: '200 object',
  },
  'koa.ts': {
    code: `import Koa from 'koa'\nconst app = new Koa()\napp.use(async ctx => { ctx.body = 'koa ' + ctx.path })\nexport default app`,
    form: 'Koa app',
    path: '/a',
    answer: '200 koa /a',
  },
  'fastify.ts': {
    code: `import Fastify from 'fastify'
const app = Fastify()
app.get<{ Params: { id: string } }>('/posts/:id', async request => ({ id: request.params.id }))
export default app`,
    form: 'Fastify app',
    path: '/posts/7',
    answer: '200 {"id":"7"}',
  },
  'express.ts': {
    code: `import express from 'express'\nexport const app = express()\napp.get('/', (_, response) => { response.send('express') })\nexport default app`,
    form: 'Express app',
    answer: '200 express',
  },
  'handler.ts': {
    code: `import type { Request, Response } from 'express'\nexport default function handler(request: Request, response: Response) { response.status(201).json(request.body) }`,
    form: 'Express handler',
    init: post('{"a":1}'),
    answer: '201 {"a":1}',
  },
  'lambda.ts': {
    code: `import type { APIGatewayProxyHandlerV2 } from 'aws-lambda'
export const handler: APIGatewayProxyHandlerV2 = async event => ({ statusCode: 202, body: event.rawPath + event.body })
export default handler`,
    form: 'AWS Lambda',
    path: '/a',
    init: post('{}'),
    answer: '202 /a{}',
  },
  'gateway.ts': {
    code: `import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda'
export default async (event: APIGatewayProxyEvent, context: Context): Promise<APIGatewayProxyResult> =>
  ({ statusCode: 200, body: event.httpMethod + context.functionName })`,
    form: 'AWS Lambda',
    answer: '200 GETgateway',
  },
  'queue.ts': {
    code: `import type { SQSHandler } from 'aws-lambda'
const handler: SQSHandler = async ({ Records }) => ({ batchItemFailures: Records.map(r => ({ itemIdentifier: r.messageId })) })
export default handler`,
    form: 'AWS Lambda',
    init: post('{}'),
    answer: '500',
  },
  'stream.cjs': {
    code: `exports.handler = awslambda.streamifyResponse(async (event, stream) => {
  stream = awslambda.HttpResponseStream.from(stream, { statusCode: 203, headers: { 'content-type': 'text/plain' } })
  stream.write('one '); stream.end('two')
})`,
    export: 'handler',
    form: 'AWS Lambda',
    answer: '203 one two',
  },
  'google.ts': {
    code: `import type { HttpFunction } from '@google-cloud/functions-framework'
const hello: HttpFunction = (request, response) => { response.send('hello ' + request.query.name) }
export default hello`,
    form: 'Google Cloud function',
    path: '/?name=you',
    answer: '200 hello you',
  },
  'registered.cjs': {
    code: `const functions = require('@google-cloud/functions-framework')
functions.http('registered', (req, res) => { res.status(201).send(req.rawBody.toString()) })`,
    form: 'Google Cloud function',
    init: post('{"a":1}'),
    answer: '201 {"a":1}',
  },
  'route.ts': {
    code: `export async function GET(request: Request, { params }: { params: Promise<{ id?: string }> }) {
  return Response.json(await params)
}
export const POST = async (request: Request) => new Response(await request.text())`,
    form: 'Route module (GET, POST)',
    answer: '200 {}',
  },
  'openfaas.cjs': {
    code: `'use strict'
module.exports = async (event, context) => context.status(200).succeed({ body: JSON.stringify(event.body) })`,
    form: 'OpenFaaS function',
    init: post('{"a":1}'),
    answer: '200 {"body":"{\\"a\\":1}"}',
  },
}

const folder = temporaryFolder(Object.fromEntries(Object.entries(APPS).map(([file, { code }]) => [file, code])))
const built = realpathSync(mkdtempSync(join(tmpdir(), 'rfa-dialects-')))
const language = new NodeLanguage({ runtimeDir: join(root, 'runtime'), cacheDir: built, environment: {} })
const outcomes = new Map<string, CheckOutcome>()

beforeAll(async () => {
  symlinkSync(join(root, 'node_modules'), folder.path('node_modules'))
  const files = Object.keys(APPS)
  const sources = files.map(file => ({
    ...{ name: file.split('.')[0]!, kind: 'http' as const, files: [], export: APPS[file]!.export },
    ...{ rootDir: folder.dir, packageDir: folder.dir, filePath: folder.path(file) },
  }))
  for (const [index, outcome] of (await language.check(sources)).entries()) outcomes.set(files[index]!, outcome)
})
afterAll(async () => {
  await language.close()
  folder.remove()
  rmSync(built, { recursive: true, force: true })
})

test('every application is what it is', () => {
  const forms = [...outcomes].map(([file, outcome]) => [file, outcome.kind === 'accepted' ? outcome.form : outcome])
  expect(Object.fromEntries(forms)).toEqual(
    Object.fromEntries(Object.entries(APPS).map(([file, { form }]) => [file, form])),
  )
})

test.each(Object.entries(APPS))('%s runs unchanged', async (file, { path = '/', init = {}, answer }) => {
  const outcome = outcomes.get(file)
  if (outcome?.kind !== 'accepted') throw new Error('it was not accepted')
  const bundle = await outcome.bundle(new AbortController().signal)
  const { dir, entry } = await bundle.write(join(built, file))
  await using running = await runFunction(join(dir, entry))
  const headers = { ...init.headers, ...DELIVERED }
  const response = await fetch(running.url + path, { ...init, headers })
  const text = await response.text()
  // What the platform says of a failure is no part of this.
  expect(response.status >= 500 ? String(response.status) : `${response.status} ${text}`).toBe(answer)
})
