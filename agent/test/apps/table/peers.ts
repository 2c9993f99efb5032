/**
 * Applications as the documentation of their platform writes them, beside the local runtime of that platform: the same
 * answers. Those runtimes are told to send nothing anywhere.
 */
import type { App, Call } from '../app.ts'

/** Says where it listens, for the test. */
const listening = (server: string) =>
  `const server = ${server}\nserver.once('listening', () => console.log(JSON.stringify({ url: 'http://127.0.0.1:' + server.address().port })))\n`

const js = { deploy: [{ name: 'hello', filePath: './hello.js' }] }
const form = { 'content-type': 'application/x-www-form-urlencoded' }
const json = { 'content-type': 'application/json' }
const on = (path: string, more: Partial<Call> & Pick<Call, 'answer'>): Call => ({
  path: `/functions/hello${path}`,
  ...more,
})

const WORKER = `export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url)
    ctx.waitUntil(Promise.resolve())
    switch (url.pathname) {
      case '/':
        return new Response('Hello ' + env.WHO + '!')
      case '/json':
        return Response.json({ url: url.pathname + url.search, agent: request.headers.get('x-agent') })
      case '/post': {
        const type = request.headers.get('content-type')
        if (type.includes('application/json')) return new Response(JSON.stringify(await request.json()))
        if (type.includes('form')) return Response.json(Object.fromEntries(await request.formData()))
        return new Response(await request.text(), { headers: { 'x-type': type } })
      }
      case '/redirect':
        return Response.redirect('https://example.com/there', 301)
      case '/stream': {
        const { readable, writable } = new TransformStream()
        const writer = writable.getWriter()
        const encoder = new TextEncoder()
        ctx.waitUntil((async () => { for (const part of ['a', 'b', 'c']) await writer.write(encoder.encode(part)); await writer.close() })())
        return new Response(readable, { headers: { 'content-type': 'text/plain' } })
      }
      case '/cookies': {
        const headers = new Headers({ 'x-hash': btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode('a')))).slice(0, 8)) })
        headers.append('set-cookie', 'a=1')
        headers.append('set-cookie', 'b=2; Path=/')
        return new Response(null, { status: 204, headers })
      }
      default:
        return new Response('Not found', { status: 404 })
    }
  },
}
`

/** Its requests wait until a schedule has run. */
const SCHEDULED_WORKER = `let done
const ran = new Promise(resolve => (done = resolve))
export default {
  async fetch() {
    return Response.json(await ran)
  },
  async scheduled(event, env, ctx) {
    event.noRetry()
    const about = { cron: event.cron, time: typeof event.scheduledTime, isWhole: event.scheduledTime % 1000 === 0 }
    ctx.waitUntil(Promise.resolve().then(() => done({ ...about, who: env.WHO })))
  },
}
`

export const PEERS: App[] = [
  {
    name: 'worker with scheduled beside workerd',
    dependencies: { miniflare: '4' },
    files: {
      'hello.js': SCHEDULED_WORKER,
      'peer.js': `import { Miniflare } from 'miniflare'
const options = { modules: true, scriptPath: './hello.js', compatibilityDate: '2026-01-01', bindings: { WHO: 'World' } }
const quiet = { cf: false, telemetry: { enabled: false } }
const server = new Miniflare({ ...options, ...quiet, host: '127.0.0.1', port: 0 })
const url = (await server.ready).origin
await (await server.getWorker()).scheduled({ cron: '* * * * * *', scheduledTime: new Date('2026-01-01T00:00:00Z') })
console.log(JSON.stringify({ url }))
`,
    },
    deploy: [
      {
        name: 'hello',
        filePath: './hello.js',
        env: { WHO: 'World' },
        instances: 1,
        schedule: [{ cron: '* * * * * *' }],
      },
    ],
    peer: 'peer.js',
    calls: [on('/', { answer: /^{"cron":"\* \* \* \* \* \*","time":"number","isWhole":true,"who":"World"}$/ })],
  },
  {
    name: 'worker beside workerd',
    dependencies: { miniflare: '4' },
    files: {
      'hello.js': WORKER,
      'peer.js': `import { Miniflare } from 'miniflare'
const options = { modules: true, scriptPath: './hello.js', compatibilityDate: '2026-01-01', bindings: { WHO: 'World' } }
const quiet = { cf: false, telemetry: { enabled: false } }
const server = new Miniflare({ ...options, ...quiet, host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ url: (await server.ready).origin }))
`,
    },
    deploy: [{ name: 'hello', filePath: './hello.js', env: { WHO: 'World' } }],
    peer: 'peer.js',
    calls: [
      on('/', { answer: 'Hello World!' }),
      on('/json?a=1&b=%20', { headers: { 'x-agent': 'me' }, answer: /"url":"\/json\?a=1&b=%20"/ }),
      on('/post', { method: 'POST', headers: json, body: '{"a":[1,null]}', answer: '{"a":[1,null]}' }),
      on('/post', { method: 'POST', headers: form, body: 'a=1&b=%C3%A4', answer: '{"a":"1","b":"ä"}' }),
      on('/post', { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'ä', answer: 'ä' }),
      on('/redirect', { status: 301, answer: '' }),
      on('/stream', { answer: 'abc' }),
      on('/cookies', { status: 204, answer: '' }),
      on('/none', { status: 404, answer: 'Not found' }),
    ],
  },
  {
    name: 'function beside functions-framework',
    dependencies: { '@google-cloud/functions-framework': '5', 'escape-html': '1' },
    files: {
      'hello.js': `import functions from '@google-cloud/functions-framework'
import escapeHtml from 'escape-html'
functions.http('hello', (req, res) => {
  res.send(\`Hello \${escapeHtml(req.query.name || req.body?.name || 'World')}!\`)
})
`,
      'peer.js': `import './hello.js'
import { getTestServer } from '@google-cloud/functions-framework/testing'
${listening("getTestServer('hello').listen(0, '127.0.0.1')")}`,
    },
    ...js,
    peer: 'peer.js',
    calls: [
      on('/', { answer: 'Hello World!' }),
      on('/?name=%3Cb%3E', { answer: 'Hello &lt;b&gt;!' }),
      on('/', { method: 'POST', headers: json, body: '{"name":"you"}', answer: 'Hello you!' }),
      on('/', { method: 'POST', headers: form, body: 'name=form', answer: 'Hello form!' }),
    ],
  },
  {
    name: 'express app, beside express',
    dependencies: { express: '5' },
    files: {
      'hello.js': `import express from 'express'
export const hello = express()
hello.use(express.json())
hello.get('/', (req, res) => res.send('Hello World!'))
hello.get('/users/:id', (req, res) => res.json({ id: req.params.id, query: req.query }))
hello.post('/items', (req, res) => res.status(201).location('/items/1').json(req.body))
hello.get('/cookies', (req, res) => res.cookie('a', '1').redirect('/'))
`,
      'peer.js': `import { hello } from './hello.js'
${listening("hello.listen(0, '127.0.0.1')")}`,
    },
    ...js,
    peer: 'peer.js',
    calls: [
      on('/', { answer: 'Hello World!' }),
      on('/users/7?a=1&a=2', { answer: '{"id":"7","query":{"a":["1","2"]}}' }),
      on('/items', { method: 'POST', headers: json, body: '{"a":1}', status: 201, answer: '{"a":1}' }),
      on('/items', { method: 'POST', headers: json, body: '{"a":', status: 400, answer: /Bad Request/ }),
      on('/cookies', { status: 302, answer: /Redirecting/ }),
      on('/none', { status: 404, answer: /Cannot GET \/none/ }),
    ],
  },
  {
    name: 'hono export default app, beside its own server',
    dependencies: { hono: '4', '@hono/node-server': '1' },
    files: {
      'hello.js': `import { Hono } from 'hono'
const app = new Hono()
app.get('/', c => c.text('Hello Hono!'))
app.get('/posts/:id', c => c.json({ id: c.req.param('id'), page: c.req.query('page') }))
app.post('/posts', async c => c.json(await c.req.parseBody(), 201))
app.get('/html', c => c.html('<p>hi</p>'))
export default app
`,
      'peer.js': `import { serve } from '@hono/node-server'
import app from './hello.js'
${listening("serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' })")}`,
    },
    ...js,
    peer: 'peer.js',
    calls: [
      on('/', { answer: 'Hello Hono!' }),
      on('/posts/7?page=2', { answer: '{"id":"7","page":"2"}' }),
      on('/posts', { method: 'POST', headers: form, body: 'a=1', status: 201, answer: '{"a":"1"}' }),
      on('/html', { answer: '<p>hi</p>' }),
      on('/none', { status: 404, answer: '404 Not Found' }),
    ],
  },
]
