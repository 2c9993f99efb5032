import { afterAll, describe, expect, it } from 'vitest'
import * as adapters from '@ryo-faas/runtime/dialects'
import { Checker } from '../checker.ts'
import type { AdapterUse, CheckOutcome } from '../check.ts'
import { temporaryPackage } from '../testing/temporary-package.ts'
import { STAND_INS } from './dialects-testing.ts'
import { AFTER_OWN, BEFORE_OWN } from './registry.ts'
import { routeModule } from './route-module.ts'

const checker = new Checker()
const folder = temporaryPackage(STAND_INS)
afterAll(() => {
  checker.close()
  folder.remove()
})

let files = 0

interface Tried {
  name?: string
  export?: string
  file?: string
  kind?: 'http' | 'async'
}

function check(code: string, { file = 'ts', name = 'app', kind = 'http', ...more }: Tried = {}): CheckOutcome {
  const path = `case-${files++}.${file}`
  folder.write({ [path]: code })
  return checker.check({ name, kind, packageDir: folder.dir, filePath: folder.path(path), ...more })
}

function formOf(code: string, tried?: Tried): string {
  const outcome = check(code, tried)
  if (outcome.kind === 'rejected') return `rejected: ${outcome.problems[0]!.message}`
  const { form, exportName } = outcome
  const how = outcome.style === 'dialect' ? describeUse(outcome.adapter) : outcome.style
  return `${form} (${exportName}): ${how}`
}

function describeUse({ name, options, packages, setup }: AdapterUse): string {
  return [setup, name, options && JSON.stringify(options), packages?.join(' ')].filter(Boolean).join(' ')
}

it('checker and runtime have the same adapters', () => {
  const named = [...BEFORE_OWN, ...AFTER_OWN, routeModule].flatMap(dialect => dialect.adapters)
  expect([...new Set(named)].sort()).toEqual(Object.keys(adapters).sort())
})

const LAMBDA = 'provideAwslambda awsLambda'
const FRAMEWORK = '@google-cloud/functions-framework @google-cloud/functions-framework/testing'

describe('recognizes', () => {
  it.each<[what: string, code: string, form: string, tried?: Tried]>([
    // Apps.
    ['a Hono app', `import { Hono } from 'hono'\nexport default new Hono()`, 'Hono app (default): fetchObject'],
    ['a Hono app by name', `import { Hono } from 'hono'\nexport const app = new Hono()`, 'Hono app (app): fetchObject'],
    ['an H3 app', `import { H3 } from 'h3'\nconst app = new H3()\nexport default app`, 'H3 app (default): fetchObject'],
    [
      'a GraphQL Yoga server, though it can be called',
      `import { createYoga } from 'graphql-yoga'\nexport const app = createYoga({})`,
      'GraphQL Yoga server (app): fetchObject',
    ],
    [
      'a Worker',
      `export default { async fetch(request: Request, env: { A: string }, ctx: { waitUntil(p: Promise<unknown>): void }) { return new Response(env.A) } }`,
      'Worker (default): fetchObject',
    ],
    [
      'a Worker typed by Cloudflare',
      `import type { ExportedHandler } from '@cloudflare/workers-types'\nexport default { fetch: r => new Response(r.url), async scheduled() {} } satisfies ExportedHandler`,
      'Worker (default): fetchObject',
    ],
    [
      'a Worker that runs on schedules only',
      `export default { async scheduled(event: { cron: string }) { console.log(event.cron) } }`,
      'Worker (default): fetchObject',
    ],
    [
      'an object with fetch in JavaScript',
      `module.exports = { fetch: request => new Response(request.url) }`,
      'Fetch server (default): fetchObject',
      { file: 'cjs' },
    ],
    ['a Koa app', `import Koa from 'koa'\nexport const app = new Koa()`, 'Koa app (app): koaApp'],
    ['a Fastify app', `import fastify from 'fastify'\nexport const app = fastify()`, 'Fastify app (app): fastifyApp'],
    [
      'a promised NestJS app',
      `import { NestFactory } from '@nestjs/core'\nexport default NestFactory.create({})`,
      'NestJS app (default): nestApp',
    ],
    [
      'a NestJS app',
      `import { NestFactory } from '@nestjs/core'\nexport const app = await NestFactory.create({})`,
      'NestJS app (app): nestApp',
    ],
    ['an Express app', `import express from 'express'\nexport const app = express()`, 'Express app (app): node'],
    ['a Connect app', `import connect from 'connect'\nexport default connect()`, 'Connect app (default): node'],
    [
      'an app of a package without types',
      `const restify = 1\nconst Koa = require('koa')\nconst app = new Koa()\nmodule.exports = app`,
      'Koa app (default): koaApp',
      { file: 'cjs' },
    ],

    // Express, and what is like it.
    [
      'a handler typed by Express',
      `import type { Request, Response } from 'express'\nexport const app = (q: Request, s: Response) => { s.send(q.params) }`,
      'Express handler (app): expressHandler express',
    ],
    [
      'a router of Express',
      `import { Router } from 'express'\nexport const app = Router()`,
      'Express handler (app): expressHandler express',
    ],
    [
      'a Vercel function',
      `import type { VercelRequest, VercelResponse } from '@vercel/node'\nexport default (q: VercelRequest, s: VercelResponse) => s.json(q.query)`,
      'Vercel function (default): vercel',
    ],
    [
      'an API route of Next',
      `import type { NextApiRequest, NextApiResponse } from 'next'\nexport default function handler(q: NextApiRequest, s: NextApiResponse) { s.status(200).json(q.query) }`,
      'Next.js API route (default): vercel',
    ],
    [
      'an HttpFunction',
      `import type { HttpFunction } from '@google-cloud/functions-framework'\nexport const app: HttpFunction = (q, s) => { s.send(q.body) }`,
      `Google Cloud function (app): functionsFramework {"signature":"http"} ${FRAMEWORK}`,
    ],
    [
      'a CloudEventFunction',
      `import type { CloudEventFunction } from '@google-cloud/functions-framework'\nexport const app: CloudEventFunction<{ a: 1 }> = event => { console.log(event.data) }`,
      `Google Cloud function (app): functionsFramework {"signature":"cloudEvent"} ${FRAMEWORK}`,
    ],
    [
      'a registered function',
      `import { http as register } from '@google-cloud/functions-framework'\nregister('app', (q, s) => { s.send('') })`,
      `Google Cloud function (*): functionsFramework {"target":"app"} ${FRAMEWORK}`,
    ],
    [
      'a registered function of CommonJS, by the export that deploy.json names',
      `const functions = require('@google-cloud/functions-framework')\nfunctions.cloudEvent('other', event => {})`,
      `Google Cloud function (*): functionsFramework {"target":"other"} ${FRAMEWORK}`,
      { file: 'cjs', export: 'other' },
    ],

    // Lambda.
    [
      'a handler of API Gateway, version 2',
      `import type { APIGatewayProxyHandlerV2 } from 'aws-lambda'\nexport const app: APIGatewayProxyHandlerV2 = async event => ({ statusCode: 200, body: event.rawPath })`,
      `AWS Lambda (app): ${LAMBDA} {"event":"url"}`,
    ],
    [
      'a handler of API Gateway, version 1, that takes only the event',
      `import type { APIGatewayProxyEvent, APIGatewayProxyResult } from 'aws-lambda'\nexport const app = async (event: APIGatewayProxyEvent): Promise<APIGatewayProxyResult> => ({ statusCode: 200, body: event.httpMethod })`,
      `AWS Lambda (app): ${LAMBDA} {"event":"gateway"}`,
    ],
    [
      'a handler of SQS',
      `import type { SQSHandler } from 'aws-lambda'\nexport const app: SQSHandler = async () => {}`,
      `AWS Lambda (app): ${LAMBDA} {"event":"queue"}`,
      { kind: 'async' },
    ],
    [
      'a handler of an event of its own',
      `import type { Handler } from 'aws-lambda'\nexport const app: Handler<{ id: string }, number> = async ({ id }) => id.length`,
      `AWS Lambda (app): ${LAMBDA} {"event":"payload"}`,
    ],
    [
      'a streaming handler',
      `exports.app = awslambda.streamifyResponse(async (event, stream, context) => { stream.end('') })`,
      `AWS Lambda (app): ${LAMBDA} {"event":"url"}`,
      { file: 'cjs' },
    ],
    [
      'a handler without types that cannot be Node style',
      `exports.handler = async (event, context) => { return { statusCode: 200, body: event.rawPath } }`,
      `AWS Lambda (handler): ${LAMBDA} {"event":"url"}`,
      { file: 'js', name: 'handler' },
    ],
    [
      'a handler without types that takes only the event, apart',
      `exports.app = async ({ httpMethod }) => ({ statusCode: 200, body: httpMethod })`,
      `AWS Lambda (app): ${LAMBDA} {"event":"gateway"}`,
      { file: 'js' },
    ],
    [
      'a handler without types that calls back',
      `exports.app = (event, context, callback) => { callback(null, { statusCode: event.Records.length }) }`,
      `AWS Lambda (app): ${LAMBDA} {"event":"queue"}`,
      { file: 'js' },
    ],

    // Others without types.
    [
      "a handler of OpenFaaS' template",
      `module.exports = async (event, context) => context.status(200).succeed(event.body)`,
      'OpenFaaS function (default): openfaas',
      { file: 'js' },
    ],
    [
      'a handler that uses what the framework adds to the response',
      `exports.app = (req, res) => { res.status(200).send('hi') }`,
      `Google Cloud function (app): functionsFramework {"signature":"http"} ${FRAMEWORK}`,
      { file: 'js' },
    ],
    [
      'a Node handler that gives its response to somebody else',
      `const answer = (req, res) => res.end()\nexports.app = async (req, res) => { await answer(req, res) }`,
      'Node.js handler (app): node',
      { file: 'js' },
    ],

    // Route modules.
    [
      'a route module of Next',
      `export async function GET(request: Request, { params }: { params: Promise<{ id: string }> }) { return Response.json(await params) }\nexport const POST = () => new Response('')`,
      'Route module (GET, POST) (*): routeModule {"passes":"params"}',
    ],
    [
      'a route module whose methods take our context',
      `import type { FunctionContext } from '@ryo-faas/runtime'\nexport const GET = (_: Request, c: FunctionContext) => new Response(c.name)`,
      'Route module (GET) (*): routeModule {"passes":"context"}',
    ],
    [
      'a route module with the request of Next',
      `import { NextResponse, type NextRequest } from 'next/server'\nexport const GET = (request: NextRequest) => NextResponse.json({ path: request.nextUrl.pathname })`,
      'Route module (GET) (*): routeModule {"passes":"params"} next/server',
    ],
    [
      'one method of a module',
      `export const GET = () => new Response('')\nexport const POST = () => new Response('')`,
      'Route module (GET) (*): routeModule {"passes":"params","methods":["GET"]}',
      { export: 'GET' },
    ],

    // Ways to export.
    ['an anonymous default export', `export default () => new Response('')`, 'web handler (default): web'],
    [
      'a default export of another name',
      `export default function other() { return new Response('') }`,
      'web handler (default): web',
    ],
    [
      'the export that deploy.json names',
      `export const other = () => new Response('')\nexport const app = 1`,
      'web handler (other): web',
      { export: 'other' },
    ],
  ])('%s', (_what, code, form, tried) => {
    expect(formOf(code, tried)).toBe(form)
  })
})

describe('refuses', () => {
  it.each<[what: string, code: string, says: RegExp, hints: RegExp, tried?: Tried]>([
    [
      'a function that never uses its response',
      `exports.app = (req, res) => { console.log(req.url) }`,
      /"app" never uses "res" to answer/,
      /response\.end.*async.*Response/,
      { file: 'js' },
    ],
    [
      'an event of AWS that nothing here sends',
      `import type { Handler, S3Event } from 'aws-lambda'\nexport const app: Handler<S3Event> = async () => {}`,
      /takes S3Event of AWS Lambda/,
      /APIGatewayProxyEventV2.*SQSEvent/,
    ],
    [
      'a legacy event of Google',
      `import type { EventFunction } from '@google-cloud/functions-framework'\nexport const app: EventFunction = () => {}`,
      /legacy event/,
      /CloudEventFunction/,
    ],
    [
      'a function of Firebase',
      `import { onRequest } from 'firebase-functions'\nexport const app = onRequest((q, s) => void s.send(''))`,
      /function of Firebase/,
      /Export the handler itself/,
    ],
    [
      'an object whose fetch returns something else',
      `export default { fetch: (request: Request) => request.url }`,
      /fetch that returns string/,
      /Response \| Promise<Response>/,
    ],
    [
      'an object whose fetch takes something else',
      `export default { fetch: (n: number) => new Response(String(n)) }`,
      /fetch that takes number/,
      /fetch\(request: Request/,
    ],
    [
      'a route module with a method of another kind',
      `export const GET = () => new Response('')\nexport const POST = (n: number) => new Response(String(n))`,
      /"POST" takes number instead of Request/,
      /params: Promise/,
    ],
    [
      'a route module with a method that returns something else',
      `export const GET = () => 'hi'`,
      /"GET" returns string instead of a Response/,
      /Promise<Response>/,
    ],
    [
      'a name that the module does not register',
      `import { http } from '@google-cloud/functions-framework'\nhttp('hello', () => {})`,
      /registers no function "app"/,
      /"export": "hello"/,
    ],
    [
      'an export that deploy.json names and the module does not have',
      `export default () => new Response('')`,
      /no export "other"/,
      /It exports "default"/,
      { export: 'other' },
    ],
    ['an object without fetch', `export default { handle: () => 1 }`, /cannot be called/, /Express.*Hono.*fetch/],
  ])('%s', (_what, code, says, hints, tried) => {
    const outcome = check(code, tried)
    const [problem] = outcome.kind === 'rejected' ? outcome.problems : []
    expect(problem).toMatchObject({ message: expect.stringMatching(says), hint: expect.stringMatching(hints) })
  })

  it('what needs a package that is not installed', () => {
    const bare = temporaryPackage({
      'node_modules/@types/express/index.d.ts': `
import { IncomingMessage, ServerResponse } from 'node:http'
export interface Request extends IncomingMessage { body: any }
export interface Response extends ServerResponse { send(body?: any): this }`,
      'typed.ts': `import type { Request, Response } from 'express'\nexport const app = (q: Request, s: Response) => { s.send(q.body) }`,
      'untyped.js': `exports.app = (req, res) => { res.sendStatus(204) }`,
      'vercel.js': `module.exports = (req, res) => { res.status(204).json({}) }`,
    })
    const on = (file: string) =>
      checker.check({ name: 'app', kind: 'http', packageDir: bare.dir, filePath: bare.path(file) })
    const hint = expect.stringMatching(/export the app instead/)
    expect(on('typed.ts')).toMatchObject({ problems: [{ hint, message: expect.stringMatching(/not installed/) }] })
    expect(on('untyped.js')).toMatchObject({ problems: [{ hint, message: expect.stringMatching(/sendStatus/) }] })
    // Node's response with what Vercel adds needs nothing.
    expect(on('vercel.js')).toMatchObject({ form: 'Vercel function', adapter: { name: 'vercel' } })
    bare.remove()
  })
})
