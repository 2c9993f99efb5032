/**
 * Whatever is typed, `ryo-faas` exits with 0 or 1: never 70, never with a stack, and soon after Ctrl-C. Commands run in
 * this process, against a platform. `FUZZ_SEED`, `FUZZ_ROUNDS`.
 *
 * No argument names a path outside the test's own folder: some commands write files.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { runCli } from '../../src/cli/cli.ts'
import { commandNames } from '../../src/cli/command-table.ts'
import { RyoFaasError } from '../../src/contract/index.ts'
import { openArtefact } from '../../src/packages/index.ts'
import { keepBackup } from '../../src/platform/backup/keep-backup.ts'
import { restoreHome } from '../../src/platform/backup/restore-home.ts'
import { restoreStore } from '../../src/platform/restore-store.ts'
import { TestPlatform, writeProject } from '../support/platform.ts'
import { IS_WHOLE } from '../support/whole-suite.ts'

const seed = Number(process.env['FUZZ_SEED'] ?? 1)
/** Some of them deploy. */
const numRuns = Math.min(Number(process.env['FUZZ_ROUNDS'] ?? (IS_WHOLE ? 150 : 50)), 2_000)
/** After that it presses Ctrl-C, and the command has this long to exit. */
const PATIENCE_MS = 2_000
const DEAF_MS = 20_000
const TEST_TIMEOUT_MS = 60_000 + numRuns * 1_000

const LEFT_OUT: Readonly<Record<string, string>> = {
  startFaas: 'starts processes that outlive the command',
  stopFaas: 'ends the platform',
  reset: 'takes away what the other commands are about',
  dev: 'watches until it is stopped',
  proxy: 'serves until it is stopped',
}
const KNOWN = ['kept', 'KEPT', 'things', 'one', 'deploy.json', 'app.ryo']
const NASTY = [
  ...['', ' ', '.', '..', '-', '--', '-x', '@', '@none', '%', '*', '{', '[1]', '"', 'constructor', '__proto__', 'NaN'],
  ...['-1', '0', '1', '2', '1.5', '1e9', '1e999', 'true', 'null', 'ä😀', '\u001b[31m', '\n', 'a'.repeat(600), 'x=y'],
  ...['name: value', 'a\nb: c', '10s', '2026-01-01T00:00:00Z', '0000000000000000000000000000000000', 'new\0line'],
]
const strange = fc.oneof(fc.constantFrom(...NASTY), fc.string({ maxLength: 12 }).map(withoutPaths))
const word = fc.oneof({ weight: 2, arbitrary: fc.constantFrom(...KNOWN) }, strange)

interface Grammar {
  /** Placed before the words. */
  actions?: readonly string[]
  flags?: readonly string[]
  words?: fc.Arbitrary<string>
}
const FILTERS = ['function', 'status', 'limit', 'cursor', 'since']
const COMMANDS: Readonly<Record<string, Grammar>> = {
  deploy: { flags: ['only', 'from', 'debug', 'replace', 'build-only', 'watch', 'out', 'digest', 'env'] },
  check: { flags: ['only'] },
  details: {},
  doctor: {},
  open: {},
  types: {},
  list: {},
  invoke: { flags: ['data', 'header', 'path', 'method', 'async', 'wait', 'include'] },
  logs: { flags: ['follow', 'since', 'tail'] },
  // The others need what it would stop.
  stop: { words: strange },
  scale: {},
  rollback: {},
  schedules: { actions: ['list', 'run', 'pause', 'resume'] },
  clock: { actions: ['show', 'forward', 'set'] },
  calls: { actions: ['list', 'show', 'cancel', 'redrive'], flags: [...FILTERS, 'all'] },
  store: {
    actions: ['tables', 'get', 'put', 'patch', 'delete', 'query', 'changes', 'export', 'import', 'index'].concat([
      ...['drop', 'replay', 'backup', 'restore'],
    ]),
    flags: ['data', 'if-version', 'where', 'order-by', 'desc', 'limit', 'cursor', 'since', 'plain', 'events'].concat([
      ...['drop', 'from', 'handler'],
    ]),
  },
  traces: {
    actions: ['list', 'show'],
    flags: [...FILTERS, 'attributes', 'min-duration', 'max-duration', 'call', 'attribute', 'until', 'slowest'],
  },
  top: { flags: ['once'] },
  dashboard: { flags: ['open', 'trace'] },
  keys: { actions: ['list', 'create', 'revoke'], flags: ['only', 'events', 'expires', 'yes'] },
  events: { actions: ['publish'], flags: ['data', 'source', 'subject', 'id'] },
  token: { actions: ['list', 'create', 'revoke'], flags: ['can', 'for', 'expires', 'yes'] },
  server: { actions: ['list', 'use', 'remove', 'upgrade', 'doctor'], flags: ['name', 'token', 'home', 'yes'] },
  service: { actions: ['install', 'upgrade', 'uninstall', 'status'] },
  export: { actions: ['kubernetes'], flags: ['file', 'env', 'out', 'with-secrets'] },
  audit: { flags: ['since', 'limit'] },
  backup: { flags: ['force'] },
  restore: { flags: ['replace', 'digest'] },
  secrets: { actions: ['list', 'set', 'delete'] },
  init: {},
  test: { flags: ['update', 'url', 'var'] },
  env: { flags: ['secrets'] },
  prune: {},
}

const commandLine = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...Object.entries(COMMANDS).map(([name, grammar]) => linesOf(name, grammar))) },
  fc.array(strange, { maxLength: 4 }).filter(([first = '']) => LEFT_OUT[first] === undefined),
)

let platform: TestPlatform
let cwd: string
beforeAll(async () => {
  platform = await TestPlatform.make()
  await platform.start('process')
  cwd = join(platform.home, 'project')
  await writeProject(cwd, { kept: { code: `export const kept = () => new Response('kept')` } })
  await platform.ok(['deploy'], { cwd })
  for (const folder of [join(cwd, 'things'), join(platform.home, 'runtime/dist')])
    await mkdir(folder, { recursive: true })
  await writeFile(join(platform.home, 'runtime/package.json'), '{"exports":{}}')
  await writeFile(join(cwd, 'one'), '{"id":"one","data":1}\n')
  await writeFile(join(cwd, 'app.ryo'), 'no artefact')
  await platform.ok(['store', 'put', 'things', 'one', '--data', '{"n":1}'])
})
afterAll(() => platform.remove())

function linesOf(name: string, { actions, flags = [], words = word }: Grammar): fc.Arbitrary<string[]> {
  const flag = fc.tuple(fc.constantFrom('json', 'help', ...flags), fc.option(words, { nil: undefined }), fc.boolean())
  const written = flag.map(([option, value, isOne]) => {
    if (value === undefined) return [`--${option}`]
    return isOne ? [`--${option}=${value}`] : [`--${option}`, value]
  })
  const action = actions === undefined ? fc.constant([]) : fc.oneof(fc.constantFrom(...actions).map(one => [one]), words.map(one => [one])) // prettier-ignore
  return fc
    .tuple(action, fc.array(words, { maxLength: 3 }), fc.array(written, { maxLength: 3 }))
    .map(([acting, rest, options]) => [name, ...acting, ...rest, ...options.flat()])
}

function withoutPaths(text: string): string {
  return text.replace(/[/\\]/g, '')
}

interface Outcome {
  code: number
  printed: string
}

async function run(argv: string[]): Promise<Outcome> {
  const streams = [new PassThrough(), new PassThrough()] as const
  let printed = ''
  for (const stream of streams) stream.on('data', (piece: Buffer) => (printed += piece.toString()))
  // Help bypasses the streams.
  const write = (...lines: unknown[]) => void (printed += lines.join(' '))
  const consoles = (['log', 'error'] as const).map(method => vi.spyOn(console, method).mockImplementation(write))
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), PATIENCE_MS)
  let deaf: NodeJS.Timeout | undefined
  const isDeaf = new Promise<never>((_, reject) => {
    deaf = setTimeout(() => reject(new Error(`still running ${DEAF_MS} ms after it began`)), DEAF_MS)
  })
  try {
    const [stdout, stderr] = streams as unknown as [NodeJS.WriteStream, NodeJS.WriteStream]
    const common = { argv, stdout, stderr, environment: {}, signal: abort.signal }
    return { code: await Promise.race([runCli({ ...common, host: hostOf() }), isDeaf]), printed }
  } finally {
    clearTimeout(timer)
    clearTimeout(deaf)
    for (const spy of consoles) spy.mockRestore()
  }
}

function hostOf(): Parameters<typeof runCli>[0]['host'] {
  const stdin = new PassThrough()
  stdin.end('from stdin')
  const notHere = async () => {
    throw new RyoFaasError('UNSUPPORTED', 'not in this test')
  }
  return {
    version: '0.0.0',
    environment: {},
    cwd,
    home: platform.home,
    stdin: stdin as unknown as NodeJS.ReadStream,
    platformFlags: async () => [],
    isKept: async () => false,
    examine: async () => [],
    resolvedOptions: async () => ({}),
    differingFlags: async () => [],
    endByForce: notHere,
    endAgent: notHere,
    requireEngine: notHere,
    runningOptions: async () => ({}),
    swarmMembers: notHere,
    launchAgent: notHere,
    agentGone: notHere,
    removeStopped: notHere,
    checkHere: notHere,
    buildHere: notHere,
    exportKubernetes: notHere,
    writeArtefact: notHere,
    openArtefact,
    saveServers: notHere,
    packPlatform: notHere,
    runProxy: notHere,
    service: notHere,
    keepBackup,
    restoreHome: (content, options) => restoreHome(content, { home: platform.home, version: '0.0.0', ...options }),
    restoreStore: backup => restoreStore(platform.home, backup),
    openUrl: async () => undefined,
    runtimeDir: join(platform.home, 'runtime'),
  }
}

test('every command is tried, or is left out for a reason', () => {
  expect(new Set(commandNames())).toEqual(new Set([...Object.keys(COMMANDS), ...Object.keys(LEFT_OUT)]))
})

test(
  'every command line exits with 0, or with 1 and a text, or was cancelled',
  { timeout: TEST_TIMEOUT_MS },
  async () => {
    const property = fc.asyncProperty(commandLine, async argv => {
      const { code, printed } = await run(argv)
      expect([0, 1, 130], printed).toContain(code)
      expect(printed).not.toMatch(/\n\s+at .+:\d+|node_modules|(?:Type|Syntax|Range|Zod)Error|is not a function/)
      if (code === 1) expect(printed.trim()).not.toBe('')
    })
    await fc.assert(property, { seed, numRuns, interruptAfterTimeLimit: TEST_TIMEOUT_MS - 30_000 })
  },
)
