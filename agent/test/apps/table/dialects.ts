/** Handlers written for other platforms. */
import type { App } from '../app.ts'

const LAMBDA = '{ statusCode: 200, headers: { "x-from": "lambda" }, body: event.rawPath + " " + context.functionName }'

export const DIALECTS: App[] = [
  {
    name: 'route files: GET and POST of one module',
    files: {
      'a.ts': `export const GET = () => new Response('read a')
export const POST = async (request: Request) => new Response('wrote ' + (await request.text()))
`,
      'b.ts': `export const GET = () => new Response('read b')\n`,
    },
    deploy: [
      { name: 'a', filePath: './a.ts' },
      { name: 'b', filePath: './b.ts' },
    ],
    calls: [
      { path: '/functions/a', answer: 'read a' },
      { path: '/functions/a', method: 'POST', body: 'x', answer: 'wrote x' },
      { path: '/functions/a', method: 'DELETE', status: 405, answer: '' },
      { path: '/functions/b', answer: 'read b' },
    ],
  },
  {
    name: 'export, route and methods in deploy.json',
    files: {
      'a.ts': `export const GET = (request: Request) => new Response('a ' + new URL(request.url).pathname)\n`,
      'b.ts': `export const GET = () => new Response('b')\n`,
    },
    deploy: [
      { name: 'a', filePath: './a.ts', export: 'GET', route: '/api/:id', methods: ['GET'] },
      { name: 'b', filePath: './b.ts', export: 'GET' },
    ],
    calls: [
      { path: '/api/7', answer: /^a / },
      { path: '/api/7', method: 'POST', status: 405, answer: /./ },
      { path: '/functions/b', answer: 'b' },
    ],
  },
  {
    name: 'anonymous default export',
    files: { 'hello.ts': `export default (request: Request) => new Response('ok')\n` },
  },
  {
    name: 'workers: export default { fetch }',
    files: {
      'hello.ts': `interface Env { GREETING: string }
export default {
  async fetch(request: Request, env: Env, ctx: { waitUntil(promise: Promise<unknown>): void }): Promise<Response> {
    ctx.waitUntil(Promise.resolve())
    return new Response(env.GREETING)
  },
}
`,
    },
    deploy: [{ name: 'hello', env: { GREETING: 'ok' } }],
  },
  {
    name: 'lambda with types',
    dependencies: { '@types/aws-lambda': '8' },
    files: {
      'hello.ts': `import type { APIGatewayProxyEventV2, APIGatewayProxyResultV2, Context } from 'aws-lambda'
export const hello = async (event: APIGatewayProxyEventV2, context: Context): Promise<APIGatewayProxyResultV2> => (${LAMBDA})
`,
    },
    calls: [{ path: '/functions/hello/x', answer: /\/x hello$/ }],
  },
  {
    name: 'lambda without types',
    files: { 'hello.js': `export const hello = async (event, context) => (${LAMBDA})\n` },
    deploy: [{ name: 'hello', filePath: './hello.js' }],
    calls: [{ path: '/functions/hello/x', answer: /\/x hello$/ }],
  },
  {
    name: 'functions-framework',
    dependencies: { '@google-cloud/functions-framework': '5' },
    files: {
      'hello.ts': `import type { HttpFunction } from '@google-cloud/functions-framework'
export const hello: HttpFunction = (request, response) => { response.status(201).send('ok ' + request.path) }
`,
    },
    calls: [{ path: '/functions/hello/x', status: 201, answer: 'ok /x' }],
  },
  {
    name: 'vercel function',
    dependencies: { '@vercel/node': '5' },
    files: {
      'hello.ts': `import type { VercelRequest, VercelResponse } from '@vercel/node'
export default function handler(request: VercelRequest, response: VercelResponse) {
  response.status(201).json({ name: request.query['name'] })
}
`,
    },
    calls: [{ path: '/functions/hello?name=you', status: 201, answer: '{"name":"you"}' }],
  },
  {
    name: 'firebase onRequest',
    dependencies: { 'firebase-functions': '6', 'firebase-admin': '13' },
    files: {
      'hello.ts': `import { onRequest } from 'firebase-functions/v2/https'
export const hello = onRequest((request, response) => { response.send('ok ' + request.method) })
`,
    },
    refused: /function of Firebase, which is not supported[^]*Export the handler itself/,
  },
]
