/** The runtime as deployed: entry, runtime and user code bundled into one file, in its own process. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { send } from './testing/serve-handler.ts'
import { until } from './testing/until.ts'

const HANDLER = `
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { context } from '@ryo-faas/runtime'

interface Order { id: number }

console.log('module loaded')
let waste: WeakRef<Uint8Array> | undefined
const collected = new FinalizationRegistry<string>(what => console.log(what))

export function Tried(request: IncomingMessage, response: ServerResponse) {
  switch (request.url) {
    case '/uncaught':
      return void setTimeout(() => { throw new Error('uncaught boom') }, 1)
    case '/listener':
      return void request.resume().on('end', () => { throw new Error('listener boom') })
    case '/rejection':
      return void Promise.reject(new Error('floating boom'))
    case '/slow':
      return void setTimeout(() => response.end('slow ' + context().requestId), 300)
    case '/slower':
      return void setTimeout(() => response.end('at last'), 1500)
    case '/ask':
      const { localPort: port } = request.socket
      return void get({ host: '127.0.0.1', port, path: '/asked' }, answer => void answer.pipe(response))
    case '/asked':
      return void response.end(request.headers.traceparent)
    case '/waste':
      waste = new WeakRef(new Uint8Array(1_000_000))
      collected.register(waste.deref()!, 'waste is collected')
      return void response.end()
    case '/wasted':
      return void response.end(JSON.stringify({ isGone: waste?.deref() === undefined, hasGc: 'gc' in globalThis }))
    case '/hang':
      return
    case '/print':
      process.stdout.write('half ')
      console.error('to stderr')
      console.log('and half')
      return void response.end()
  }
  const order: Order = { id: 7 }
  response.end('order ' + order.id)
}
`

const SOURCE = fileURLToPath(new URL('.', import.meta.url))
let folder: string
let bundle: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ryo-faas-runtime-'))
  bundle = join(folder, 'bundle.mjs')
  await writeFile(join(folder, 'handler.ts'), HANDLER)
  await writeFile(join(folder, 'prepare.ts'), "import { prepare } from '@ryo-faas/runtime/main'\nprepare()")
  const entry = `
    import './prepare.ts'
    import { start } from '@ryo-faas/runtime/main'
    import * as module from './handler.ts'
    start({ name: 'Tried', style: 'node', takesContext: false, handler: module.Tried })`
  await build({
    stdin: { contents: entry, resolveDir: folder, loader: 'ts' },
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    sourcemap: true,
    alias: { '@ryo-faas/runtime/main': join(SOURCE, 'main.ts'), '@ryo-faas/runtime': join(SOURCE, 'index.ts') },
    banner: {
      js: `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`,
    },
  })
})
afterAll(() => rm(folder, { recursive: true }))

interface Instance extends AsyncDisposable {
  readonly child: ChildProcess
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>
  readonly port: number
  readonly output: { stdout: string; stderr: string }
}

let instances = 0

async function started(env: Record<string, string> = {}): Promise<Instance> {
  const readyFile = join(folder, `ready-${instances++}.json`)
  const { child, exited, output } = run({ RYO_FAAS_READY_FILE: readyFile, RYO_FAAS_PORT: '0', ...env })
  await until(() => existsSync(readyFile))
  const { port, pid } = JSON.parse(await readFile(readyFile, 'utf8')) as { port: number; pid: number }
  expect(pid).toBe(child.pid)
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exited
  }
  return { child, exited, port, output, [Symbol.asyncDispose]: dispose }
}

function run(env: Record<string, string>): Pick<Instance, 'child' | 'exited' | 'output'> {
  const child = spawn(process.execPath, [bundle], {
    env: { RYO_FAAS_HOST: '127.0.0.1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  return { child, exited: once(child, 'close') as Instance['exited'], output }
}

test('the ready file is complete, and the instance responds', async () => {
  await using instance = await started()
  expect((await send(instance.port)).body).toBe('order 7')
  expect((await readdir(folder)).filter(name => name.endsWith('.tmp'))).toEqual([])
})

test('a request by node:http propagates the trace', async () => {
  await using instance = await started()
  const trace = `00-${'1'.repeat(32)}`
  const answer = await send(instance.port, { path: '/ask', headers: { traceparent: `${trace}-${'2'.repeat(16)}-01` } })
  expect(answer.body).toContain(trace)
})

test('memory that nothing refers to is given back before it is frozen, and when nothing has run for a while', async () => {
  await using instance = await started()
  await send(instance.port, { path: '/waste' })
  expect((await send(instance.port, { method: 'POST', path: '/.ryo-faas/rest' })).status).toBe(204)
  expect(JSON.parse((await send(instance.port, { path: '/wasted' })).body)).toEqual({ isGone: true, hasGc: false })
  await using idle = await started()
  await send(idle.port, { path: '/waste' })
  await until(() => idle.output.stdout.includes('waste is collected'))
})

test('the first scrape loads prom-client', async () => {
  await using instance = await started()
  await send(instance.port)
  const page = await send(instance.port, { path: '/.ryo-faas/metrics' })
  expect(page.body).toContain('faas_invocations_total{faas_name="Tried",faas_trigger="http"} 1')
})

test.each([
  ['/uncaught', 'uncaught boom'],
  ['/listener', 'listener boom'],
  ['/rejection', 'floating boom'],
])(
  'an uncaught error in %s gets a response at once, is logged with its TypeScript line, and survived',
  async (path, message) => {
    await using instance = await started({ RYO_FAAS_TIMEOUT_MS: '60000' })
    const bystander = send(instance.port, { path: '/slow', headers: { 'x-request-id': 'bystander' } })
    const answer = await send(instance.port, { path, headers: { 'x-request-id': 'r-9' } })
    expect(answer).toMatchObject({ status: 500, headers: { 'x-ryo-faas-error': 'FUNCTION_ERROR' } })
    expect((await bystander).body).toBe('slow bystander')
    await until(() => instance.output.stderr.includes(message))
    expect(instance.output.stderr).toContain('r-9')
    const line = HANDLER.split('\n').findIndex(text => text.includes(message)) + 1
    expect(instance.output.stderr).toMatch(new RegExp(`handler\\.ts:${line}:`))
    expect((await send(instance.port)).status).toBe(200)
  },
)

test.each(['SIGTERM', 'SIGINT'] as const)('%s finishes what is in flight and exits with 0', async signal => {
  await using instance = await started()
  const running = send(instance.port, { path: '/slower' })
  await until(async () => (await send(instance.port, { path: '/.ryo-faas/health' })).body.includes('"inflight":1'))
  instance.child.kill(signal)
  expect((await running).body).toBe('at last')
  expect(await instance.exited).toEqual([0, null])
})

/** Whether it takes no connection any more. */
const isClosed = ({ port }: { port: number }): Promise<boolean> =>
  send(port).then(
    () => false,
    () => true,
  )

test('a drain ends even if an invocation hangs, and Ctrl-C ends it at once', async () => {
  for (const [drainMs, signals, code] of [
    ['50', ['SIGTERM'], 0],
    ['60000', ['SIGTERM', 'SIGINT'], 1],
  ] as const) {
    await using instance = await started({ RYO_FAAS_DRAIN_MS: drainMs })
    const running = send(instance.port, { path: '/hang' }).catch((error: unknown) => error)
    await until(async () => (await send(instance.port, { path: '/.ryo-faas/health' })).body.includes('"inflight":1'))
    for (const [index, signal] of signals.entries()) {
      if (index > 0) await until(() => isClosed(instance))
      instance.child.kill(signal)
    }
    expect(await instance.exited).toEqual([code, null])
    expect(await running).toBeInstanceOf(Error)
  }
})

test('an instance that is told to stop a second time still finishes what is in flight', async () => {
  await using instance = await started()
  const running = send(instance.port, { path: '/slower' })
  await until(async () => (await send(instance.port, { path: '/.ryo-faas/health' })).body.includes('"inflight":1'))
  instance.child.kill('SIGTERM')
  await until(() => isClosed(instance))
  instance.child.kill('SIGTERM')
  expect((await running).body).toBe('at last')
  expect(await instance.exited).toEqual([0, null])
})

test('stamped output has time, stream and tag on every line, including those printed while loading', async () => {
  await using instance = await started({ RYO_FAAS_STAMP_LOGS: '1' })
  await send(instance.port, { path: '/print' })
  await until(() => instance.output.stdout.includes('and half') && instance.output.stderr !== '')
  const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /gm
  expect(instance.output.stdout.replace(stamp, '')).toBe('stdout F module loaded\nstdout P half \nstdout F and half\n')
  expect(instance.output.stderr.replace(stamp, '')).toBe('stderr F to stderr\n')
})

test('an instance that cannot start says why and exits with 1', async () => {
  const wrong = run({ RYO_FAAS_PORT: 'x' })
  expect(await wrong.exited).toEqual([1, null])
  expect(wrong.output.stderr).toContain('RYO_FAAS_PORT')

  await using instance = await started()
  const taken = run({ RYO_FAAS_PORT: String(instance.port) })
  expect(await taken.exited).toEqual([1, null])
  expect(taken.output.stderr).toContain('EADDRINUSE')
})
