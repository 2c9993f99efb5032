import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { json, text } from 'node:stream/consumers'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { homePaths } from '../client/index.ts'
import { answerProof, type DeployEvent, type PlatformView } from '../contract/index.ts'
import { runCli } from './cli.ts'
import type { CliHost } from './context.ts'
import type { Streams } from './output.ts'
import { quickDeploy } from './quick-deploy.ts'

const VERSION = '1.2.3'
const TOKEN = 'secret'
const PLATFORM: PlatformView = {
  ...{ project: 'p', home: '/home', version: VERSION, engine: 'process', engineNote: '', proxyUrl: 'http://proxy' },
  phase: { kind: 'ready' },
  parts: [],
}
const DEPLOYED: DeployEvent[] = [
  { type: 'waiting', why: 'the managers have no leader' },
  { type: 'planned', names: ['Hello'], folders: ['/f'] },
  { type: 'step', name: 'Hello', step: 'checking' },
  { type: 'note', name: 'Hello', message: 'a note' },
  // In the order of its schema, in which the ordinary client gives it on.
  { type: 'deployed', name: 'Hello', version: 2, url: 'http://proxy/hello', outcome: 'updated', durationMs: 12 },
  { type: 'finished', deployed: 1, failed: 0, durationMs: 12 },
]
const FAILED: DeployEvent[] = [
  { type: 'planned', names: ['Hello'], folders: ['/f'] },
  { type: 'step', name: 'Hello', step: 'building' },
  { type: 'failed', name: 'Hello', error: { code: 'BUILD_FAILED', message: 'no such module', hint: 'Install it.' } },
  { type: 'finished', deployed: 0, failed: 1, durationMs: 12 },
]

let folder: string
let asked: { body: unknown; headers: IncomingMessage['headers'] }[]
let respond: (response: ServerResponse) => void
beforeEach(async () => {
  asked = []
  folder = await mkdtemp(join(tmpdir(), 'rfa-quick-'))
  const server = createServer((request, response) => void answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
  const { port } = server.address() as AddressInfo
  const agent = { url: `http://127.0.0.1:${port}`, pid: 1, startedAt: '1', project: 'p', version: VERSION }
  await writeFile(homePaths(folder).agentFile, JSON.stringify(agent))
  await writeFile(homePaths(folder).token, TOKEN)
  await writeFile(join(folder, 'deploy.json'), '{ "deploy": [{ "env": { "A": "${A}" } }] }')
})

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { url = '', headers } = request
  const proof = answerProof(TOKEN, { url, port: request.socket.localPort! })
  if (url.includes('nonce=')) return void response.end(proof)
  if (headers.authorization !== `Bearer ${TOKEN}`) return void response.writeHead(401).end()
  if (url === '/v1/platform') return void response.end(JSON.stringify(PLATFORM))
  asked.push({ body: await json(request), headers })
  respond(response)
}

const CANCELLED: readonly DeployEvent[] = [
  {
    type: 'finished',
    deployed: 0,
    failed: 0,
    durationMs: 1,
    error: { code: 'CANCELLED', message: 'the platform stops' },
  },
]

const says = (events: readonly DeployEvent[]) => (response: ServerResponse) => {
  // In two pieces that do not end where a line does, after a heartbeat.
  const all = `\n${events.map(event => `${JSON.stringify(event)}\n`).join('')}`
  response.write(all.slice(0, 30))
  setImmediate(() => response.end(all.slice(30)))
}

async function printed(run: (streams: Streams) => Promise<number | undefined>) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await run({ stdout, stderr, environment: { A: 'a', B: 'b' } } as unknown as Streams)
  stdout.end()
  stderr.end()
  return { code, stdout: await text(stdout), stderr: await text(stderr) }
}
const quick = (argv: string[], version = VERSION) =>
  printed(streams => quickDeploy(argv, { home: folder, version, cwd: folder }, streams))
const ordinary = (argv: string[]) =>
  printed(streams => {
    const host = { version: VERSION, home: folder, cwd: folder, environment: streams.environment } as CliHost
    return runCli({ argv, host, signal: new AbortController().signal, ...streams })
  })

test.each([
  ['what is deployed', DEPLOYED, 0, []],
  ['what is deployed, for programs', DEPLOYED, 0, ['--json']],
  ['what fails', FAILED, 1, ['.', '--only', 'Hello', '--env', 'test']],
  ['what fails, for programs', FAILED, 1, ['--json', 'deploy.json']],
  ['an agent that stops in the middle', DEPLOYED.slice(0, 2), 1, []],
  ['an agent that cancels it', CANCELLED, 1, []],
])('it asks, prints and exits as the ordinary command does: %s', async (_, events, code, args) => {
  respond = says(events)
  const fast = await quick(['deploy', ...args])
  expect(fast).toEqual(await ordinary(['deploy', ...args]))
  expect(fast.code).toBe(code)
  expect(asked).toHaveLength(2)
  expect(asked[0]!.body).toEqual(asked[1]!.body)
  expect(asked[0]!.body).toMatchObject({ file: join(folder, 'deploy.json'), variables: { A: 'a' } })
  expect(asked[0]!.headers['user-agent']).toBe(asked[1]!.headers['user-agent'])
  const waits = events.includes(DEPLOYED[0]!) && !args.join().includes('--json')
  expect(fast.stderr.includes('waiting: the managers have no leader')).toBe(waits)
})

test.each(['NOT_LEADING', 'STANDS_BY'])('what nobody did yet is left to the ordinary client: %s', async code => {
  respond = response => void response.writeHead(503).end(JSON.stringify({ error: { code, message: 'not now' } }))
  expect((await quick(['deploy'])).code).toBeUndefined()
})

test('what the agent refuses, and a connection that breaks, is told like by the ordinary command', async () => {
  respond = response => {
    response.writeHead(409, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ error: { code: 'NAME_TAKEN', message: 'taken', hint: 'Use --replace.' } }))
  }
  expect(await quick(['deploy'])).toEqual(await ordinary(['deploy']))
  respond = response => {
    response.write(`${JSON.stringify(DEPLOYED[0])}\n`)
    setImmediate(() => response.destroy())
  }
  const broken = await quick(['deploy'])
  expect(broken).toEqual(await ordinary(['deploy']))
  expect(broken.stderr).toContain('NOT_RUNNING')
})

test.each([
  ['another command', ['details']],
  ['a flag of which it knows nothing', ['deploy', '--watch']],
  ['help', ['deploy', '--help']],
  ['two files', ['deploy', 'a', 'b']],
  ['an artefact', ['deploy', 'app.ryo']],
  ['a flag without its value', ['deploy', '--only']],
  ['a value that looks like a flag', ['deploy', '--only', '--json']],
])('it leaves to the ordinary command line: %s', async (_, argv) => {
  expect(await quick(argv)).toEqual({ code: undefined, stdout: '', stderr: '' })
  expect(asked).toEqual([])
})

test('an agent of another version, one that proves nothing, and none at all are left to the ordinary client', async () => {
  expect(await quick(['deploy'], '9.9.9')).toMatchObject({ code: undefined })
  await writeFile(homePaths(folder).token, 'another')
  expect(await quick(['deploy'])).toMatchObject({ code: undefined })
  await rm(homePaths(folder).agentFile)
  expect(await quick(['deploy'])).toMatchObject({ code: undefined })
  expect(asked).toEqual([])
})
