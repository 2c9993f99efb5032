import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { test as command } from './test.ts'

/** A folder with these files, and a server that stands in for the proxy. */
async function stage(files: Record<string, string>, listener: RequestListener) {
  const cwd = await mkdtemp(join(tmpdir(), 'rfa-http-'))
  onTestFinished(() => rm(cwd, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(cwd, name, '..'), { recursive: true })
    await writeFile(join(cwd, name), content)
  }
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise(done => server.close(done))
  })
  const proxyUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  async function run(args: Record<string, unknown> = {}, { environment = {}, isJson = false } = {}) {
    const stdout = new PassThrough()
    const output = new Output({ stdout, stderr: new PassThrough(), environment: {} } as never, isJson)
    const connect = async () => ({ token: 'token', call: async () => ({ proxyUrl }) })
    const context = { cwd, output, connect, environment, signal: new AbortController().signal } as unknown as Context
    const failure = await command.run({ update: false, ...args }, context).then(
      () => undefined,
      (error: Error) => error,
    )
    stdout.end()
    return { failure, printed: await text(stdout) }
  }
  return { cwd, run, snapshot: (name: string) => readFile(join(cwd, name), 'utf8') }
}

/** As a function would: says what it was asked, with an id that is new each time. */
const echo: RequestListener = (request, response) => void answer(request, response)

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request)
  response.writeHead(request.url === '/functions/made' ? 201 : 200, { 'content-type': 'application/json' })
  const { method, url, headers } = request
  response.end(JSON.stringify({ id: crypto.randomUUID(), method, url, user: headers['x-user'], body }))
}

const ORDERS = `@who = ada
### Makes one
# @name made
# @expect status 201
# @expect body.method == POST
POST {{host}}/functions/made
X-User: {{who}}

< ./order.json

### Reads it
GET {{url}}/functions/read?of={{made.response.body.user}}
`

test('the first run writes snapshots, the next compare with them, --update renews them', async () => {
  let extra = {}
  const { run, cwd, snapshot } = await stage(
    { 'src/orders.http': ORDERS, 'src/order.json': '{"n":1}', 'node_modules/x/y.http': 'GET /never' },
    (request, response) => {
      if (request.url?.startsWith('/functions/read')) response.end(`read ${request.url}\n${JSON.stringify(extra)}\n`)
      else echo(request, response)
    },
  )
  const first = await run()
  expect(first.failure).toBeUndefined()
  expect(first.printed).toMatch(/^ok src\/orders\.http:6 Makes one [\d.]+ m?s \(snapshot written\)\n/)
  expect(first.printed).toMatch(/2 requests as expected, 2 snapshots written\n$/)
  const written = await snapshot('src/__snapshots__/orders.http.snap')
  expect(written).toContain('### Makes one\nHTTP 201\ncontent-type: application/json\n\n{\n  "id": "<uuid>",')
  expect(written).toContain('"body": "{\\"n\\":1}"')
  expect(written).toContain('### Reads it\nHTTP 200\n\nread /functions/read?of=ada\n{}')
  expect(await run()).toMatchObject({ failure: undefined, printed: expect.stringMatching(/2 requests as expected\n$/) })

  extra = { more: true }
  const changed = await run({ files: ['src/orders.http'] })
  expect(changed.failure).toMatchObject({ code: 'TESTS_FAILED', message: '1 of 2 requests failed', exitCode: 1 })
  expect(changed.printed).toContain('it differs from its snapshot\n     HTTP 200\n')
  expect(changed.printed).toContain('    -{}\n    +{"more":true}\n')
  expect(await snapshot('src/__snapshots__/orders.http.snap')).toBe(written)
  const { failure } = await run({ update: true })
  expect(failure).toBeUndefined()
  expect(await snapshot('src/__snapshots__/orders.http.snap')).toBe(written.replace('{}', '{"more":true}'))

  await writeFile(join(cwd, 'src/orders.http'), ORDERS.split('### Reads')[0]!)
  await run()
  expect(await snapshot('src/__snapshots__/orders.http.snap')).toContain('### Reads it')
  await run({ update: true })
  expect(await snapshot('src/__snapshots__/orders.http.snap')).not.toContain('### Reads it')
})

test('an expectation that does not hold fails, and its response becomes no snapshot', async () => {
  const { run, snapshot } = await stage({ 'a.http': '# @expect status 204\nGET /functions/x' }, echo)
  const { failure, printed } = await run()
  expect(failure).toMatchObject({ code: 'TESTS_FAILED' })
  expect(printed).toContain('failed a.http:2 GET /functions/x')
  expect(printed).toContain('status 204: it is 200')
  await expect(snapshot('__snapshots__/a.http.snap')).rejects.toMatchObject({ code: 'ENOENT' })
})

test('in CI a missing snapshot fails, one that is not wanted does not; --json says it all', async () => {
  const file =
    '### one\nGET /functions/x\n### two\n# @no-snapshot\nGET http://{{host}}/functions/x\n### three\nGET {{nowhere}}\n'
  const { run } = await stage({ 'a.http': file }, echo)
  const { failure, printed } = await run({}, { environment: { CI: 'true' }, isJson: true })
  expect(failure).toMatchObject({ code: 'TESTS_FAILED' })
  expect(JSON.parse(printed)).toMatchObject({
    ...{ passed: 1, failed: 2, written: 0 },
    results: [
      { title: 'one', status: 200, failures: [expect.stringContaining('no snapshot')] },
      { title: 'two', line: 5, failures: [] },
      { title: 'three', failures: [expect.stringContaining('{{nowhere}} is not defined')] },
    ],
  })
})

test('another deployment and variables can be named', async () => {
  const { run } = await stage({ 'a.http': '# @expect body.user == eve\nGET {{url}}/x\nX-User: {{who}}' }, echo)
  expect((await run({ var: ['who=eve'] })).failure).toBeUndefined()
  const gone = await run({ var: ['who=eve'], url: 'http://127.0.0.1:9/' })
  expect(gone.printed).toMatch(/http:\/\/127\.0\.0\.1:9\/x is not responding/)
  expect((await run({ url: 'ftp://x' })).failure).toMatchObject({ code: 'INVALID_OPTION' })
  expect((await run({ var: ['who'] })).failure).toMatchObject({ message: '--var "who" is not "name=value"' })
  expect((await run({ files: ['b.http'] })).failure).toMatchObject({ message: 'b.http does not exist' })
})
