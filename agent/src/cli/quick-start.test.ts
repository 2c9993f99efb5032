import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { homePaths } from '../client/index.ts'
import { answerProof, type PlatformView } from '../contract/index.ts'
import { runCli } from './cli.ts'
import type { CliHost, LaunchedAgent } from './context.ts'
import type { Streams } from './output.ts'
import { quickStart } from './quick-start.ts'

const VERSION = '1.2.3'
const TOKEN = 'secret'
const PLATFORM: PlatformView = {
  ...{ project: 'p', home: '/home', version: VERSION, engine: 'process', engineNote: '', proxyUrl: 'http://proxy' },
  phase: { kind: 'ready' },
  parts: [{ name: 'agent', state: 'running', restarts: 0 }],
}
/** Events follow this one, and the next look finds it. */
const STARTING: PlatformView = { ...PLATFORM, phase: { kind: 'starting', doing: 'starting functions' } }

let folder: string
let port: number
/** What the platform is, look after look. */
let looks: PlatformView[]
let events: ServerResponse | undefined
let launched: Record<string, unknown>[]
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-quick-'))
  looks = []
  launched = []
  events = undefined
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  port = (server.address() as AddressInfo).port
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await rm(folder, { recursive: true })
  })
})

function answer({ url = '', socket }: IncomingMessage, response: ServerResponse): void {
  const proof = answerProof(TOKEN, { url, port: socket.localPort! })
  if (url.includes('nonce=')) return void response.end(proof)
  if (url === '/v1/events') return void (events = response).write('\n')
  const view = looks.length > 1 ? looks.shift()! : looks[0]!
  response.end(JSON.stringify(view))
  // Told only to those who listen.
  if (view !== looks[0]) events?.write(`${JSON.stringify({ type: 'platform-changed' })}\n`)
}

async function announce(): Promise<void> {
  const agent = { url: `http://127.0.0.1:${port}`, pid: 1, startedAt: '1', project: 'p', version: VERSION }
  await writeFile(homePaths(folder).token, TOKEN)
  await writeFile(homePaths(folder).agentFile, JSON.stringify(agent))
}

type Outcome = 'starts' | 'fails' | 'refuses' | 'gives way'

/** An agent that has announced itself or, `failure`, has written down why it cannot start. */
async function launch(flags: Record<string, unknown>, outcome: Outcome, failure?: object) {
  launched.push(flags)
  const { startFailure } = homePaths(folder)
  if (outcome === 'starts' || outcome === 'gives way') await announce()
  if (failure !== undefined) {
    await mkdir(dirname(startFailure), { recursive: true })
    await writeFile(startFailure, JSON.stringify(failure))
  }
  const states = { starts: 'lives', 'gives way': 'gave-way', fails: 'failed', refuses: 'failed' } as const
  const state = (): ReturnType<LaunchedAgent['state']> => states[outcome]
  return { state, wasRefused: () => outcome === 'refuses' }
}

async function printed(run: (streams: Streams) => Promise<number | undefined>) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const code = await run({ stdout, stderr, environment: {} } as unknown as Streams)
  stdout.end()
  stderr.end()
  const withoutTime = (said: string) => said.replace(/[\d.]+ m?s\b/, '0 ms')
  return { code, stdout: withoutTime(await text(stdout)), stderr: await text(stderr) }
}
const quick = (argv: string[], outcome: Outcome = 'starts', failure?: object) =>
  printed(streams => {
    const launchAgent = (flags: Record<string, string>) => launch(flags, outcome, failure)
    return quickStart(argv, { version: VERSION, home: folder, launchAgent, agentGone: async () => undefined }, streams)
  })
const ordinary = (argv: string[], outcome: Outcome = 'starts', failure?: object) =>
  printed(streams => {
    const host = {
      ...{ version: VERSION, home: folder, cwd: folder, environment: streams.environment },
      platformFlags: async () => ['port', 'agentPort'].map(name => ({ name, help: '', default: '', variable: '' })),
      launchAgent: (flags: Record<string, unknown>) => launch(flags, outcome, failure),
      agentGone: async () => undefined,
    } as unknown as CliHost
    return runCli({ argv, host, signal: new AbortController().signal, ...streams })
  })

test.each([[[]], [['--json']]])(
  'it starts one, says what it does and prints it as the ordinary command does: %j',
  async args => {
    const argv = ['startFaas', ...args, '--port', '0', '--agent-port=9']
    looks = [STARTING, STARTING, PLATFORM]
    const fast = await quick(argv)
    expect(launched).toEqual([{ port: '0', agentPort: '9' }])
    expect(fast.code).toBe(0)
    await rm(homePaths(folder).agentFile)
    looks = [STARTING, STARTING, PLATFORM]
    expect(fast).toEqual(await ordinary(argv))
    expect(launched[1]).toMatchObject(launched[0]!)
  },
)

test.each([[[]], [['--json']]])('why it cannot start is told as by the ordinary command: %j', async args => {
  const failure = { code: 'PORT_TAKEN', message: 'port 9999 is in use', hint: 'Use another one.' }
  const fast = await quick(['startFaas', ...args], 'fails', failure)
  expect(fast).toEqual(await ordinary(['startFaas', ...args], 'fails', failure))
  expect(fast.code).toBe(1)
})

test('what the agent refuses, and what may be installed, is left to the ordinary command line', async () => {
  const before = await quick(['startFaas', '--prot', '1'], 'refuses')
  expect(before).toMatchObject({ code: undefined, stdout: '' })
  const missing = { code: 'NATS_UNAVAILABLE', message: 'no nats-server on PATH' }
  expect(await quick(['startFaas'], 'fails', missing)).toMatchObject({ code: undefined, stdout: '' })
})

test.each([
  [['startFaas', '--help']],
  [['startFaas', '--yes']],
  [['startFaas', '--take-over']],
  [['startFaas', '--node', '/usr/bin/node']],
  [['startFaas', '--server', 'shop']],
  [['startFaas', '--port']],
  [['startFaas', '--port', '--json']],
  [['startFaas', '--port', '1', '--port', '2']],
  [['startFaas', 'now']],
  [['startFaas', '--agentPort', '1']],
])('it leaves to the ordinary command line: %j', async argv => {
  expect(await quick(argv)).toEqual({ code: undefined, stdout: '', stderr: '' })
  expect(launched).toEqual([])
})

test('where another start was faster, it is left to the ordinary command line, which looks at the flags', async () => {
  looks = [STARTING, PLATFORM]
  expect(await quick(['startFaas', '--port', '7'], 'gives way')).toMatchObject({ code: undefined, stdout: '' })
  expect(launched).toEqual([{ port: '7' }])
})

test('a home where an agent has announced itself is left to the ordinary command line', async () => {
  await announce()
  expect(await quick(['startFaas'])).toEqual({ code: undefined, stdout: '', stderr: '' })
  expect(launched).toEqual([])
})
