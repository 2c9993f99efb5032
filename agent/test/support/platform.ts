/**
 * A whole platform for a test with its own home and project and free ports; stopped and removed completely afterwards.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type * as Bundled from '../../src/main/command-line.ts'
import { AgentClient, StoreClient } from '../../src/client/index.ts'
import type { DeploymentView, PlatformView } from '../../src/contract/index.ts'
import { IS_WHOLE } from './whole-suite.ts'

export const BIN = fileURLToPath(new URL('../../bin/ryo-faas.js', import.meta.url))
export const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url))

/** The name of a platform's home, in the folder for temporary files, begins with it. */
export const HOME_PREFIX = 'rfa-home-'

/** Where Node keeps what it compiled by default: each process of a platform compiles only what no other did before. */
const COMPILE_CACHE = join(tmpdir(), 'node-compile-cache')

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

/** What a command is run with. */
interface CliOptions {
  input?: string
  cwd?: string
}

/** Natively: vitest would transform what is built. */
const load = createRequire(import.meta.url)

/**
 * Commands that do nothing but ask the agent. In the gate they are run within the test, by the same code, and so are the
 * start and the end of a platform: what a process for each takes the machine is more than most of the platform's own
 * work. The others, and all of them in the whole suite, are processes, as a user has them.
 */
const ASKING = new Set([
  ...['audit', 'calls', 'clock', 'details', 'events', 'invoke', 'keys', 'list', 'logs', 'prune', 'reset', 'rollback'],
  ...['scale', 'schedules', 'secrets', 'stop', 'store', 'token', 'traces'],
])
/** Benchmarks measure processes. */
const ARE_ASKED_HERE = process.env['VITEST'] !== undefined && !IS_WHOLE

/** `fetch` for a path of the store, as the operator. */
export type StoreFetch = (path: string, init?: RequestInit) => Promise<Response>

export class TestPlatform {
  readonly home: string
  readonly project: string
  readonly environment: NodeJS.ProcessEnv
  readonly #program: string
  /** In front of each command line, such as one that enters another machine. */
  prefix: () => string[] = () => []

  constructor(home: string, environment: NodeJS.ProcessEnv, program: string) {
    this.#program = program
    this.home = home
    this.project = `rfat${randomBytes(4).toString('hex')}`
    const own = { RYO_FAAS_HOME: home, NO_COLOR: '1', NODE_COMPILE_CACHE: COMPILE_CACHE }
    this.environment = { RYO_FAAS_POOL: '0', ...process.env, ...environment, ...own }
  }

  static async make(environment: NodeJS.ProcessEnv = {}, program = BIN): Promise<TestPlatform> {
    return new TestPlatform(await mkdtemp(join(tmpdir(), HOME_PREFIX)), environment, program)
  }

  cli(args: string[], options: CliOptions = {}): Promise<CliResult> {
    const [command = '', action] = args
    const isAsking = ASKING.has(command) && action !== 'restore' && !args.includes('--help')
    return isAsking && this.#isHere ? this.#cliHere(args, options) : this.#cliProcess(args, options)
  }

  /** Starting and ending: not the agent of another machine, which begins in its network. */
  #manage(args: string[]): Promise<CliResult> {
    return this.#isHere ? this.#cliHere(args, {}) : this.#cliProcess(args, {})
  }

  /** Whether the code of the command line can do here what its process would do. */
  get #isHere(): boolean {
    return ARE_ASKED_HERE && this.#program === BIN && this.prefix().length === 0
  }

  async #cliHere(argv: string[], { input = '', cwd = this.home }: CliOptions): Promise<CliResult> {
    const { runCommandLine } = load('../../bundle/main/command-line.js') as typeof Bundled
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    stdin.end(input)
    const written = Promise.all([text(stdout), text(stderr)])
    const streams = { stdin, stdout, stderr } as unknown as Pick<Bundled.CommandLine, 'stdin' | 'stdout' | 'stderr'>
    const { environment } = this
    const code = await runCommandLine({ argv, environment, cwd, ...streams, signal: new AbortController().signal })
    for (const stream of [stdout, stderr]) stream.end()
    const [out, errors] = await written
    return { code, stdout: out, stderr: errors }
  }

  #cliProcess(args: string[], options: CliOptions): Promise<CliResult> {
    return new Promise(resolve => {
      const [program, ...words] = [...this.prefix(), process.execPath, this.#program, ...args] as [string, ...string[]]
      const child = execFile(
        program,
        words,
        { env: this.environment, cwd: options.cwd ?? this.home, maxBuffer: 64 * 1024 * 1024 },
        (error, stdout, stderr) =>
          resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, stdout, stderr }),
      )
      child.stdin!.end(options.input ?? '')
    })
  }

  /** For commands that run until they are stopped. */
  spawnCli(args: string[]): ChildProcess {
    return spawn(process.execPath, [this.#program, ...args], { env: this.environment, cwd: this.home, stdio: 'pipe' })
  }

  /** @throws an error with its output, unless it exits with 0 */
  async ok(args: string[], options: CliOptions = {}): Promise<string> {
    return outputOf(args, await this.cli(args, options))
  }

  async start(engine: 'docker' | 'process' | 'swarm', flags: string[] = []): Promise<PlatformView> {
    const ports = ['--port', '0', '--agent-port', '0', '--nats-port', '0', '--store-port', '0']
    const args = ['startFaas', '--json', '--project', this.project, '--engine', engine, ...ports, ...flags]
    return JSON.parse(outputOf(args, await this.#manage(args))) as PlatformView
  }

  async view(): Promise<PlatformView> {
    return (await AgentClient.connect(this.home)).call('platform', {})
  }

  async details(name: string): Promise<DeploymentView> {
    return (await this.client()).call('deployment', { params: { name } })
  }

  async store(): Promise<StoreFetch> {
    const agent = await this.client()
    const { parts } = await agent.call('platform', {})
    const address = parts.find(({ name }) => name === 'store')!.address!
    return (path, init = {}) => {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${agent.token}`)
      return fetch(`http://${address}${path}`, { ...init, headers })
    }
  }

  async storeClient(signal: AbortSignal): Promise<StoreClient> {
    return StoreClient.of(await this.client(), signal)
  }

  client(): Promise<AgentClient> {
    return AgentClient.connect(this.home)
  }

  /** Removes everything: processes, containers, network, function images, files. */
  async remove(): Promise<void> {
    const { code, stderr } = await this.#manage(['stopFaas', '--prune', '--yes'])
    await rm(this.home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    if (code !== 0) throw new Error(`the platform could not be removed: ${stderr}`)
  }
}

function outputOf(args: string[], { code, stdout, stderr }: CliResult): string {
  if (code !== 0) throw new Error(`ryo-faas ${args.join(' ')} exited ${code}\n${stdout}${stderr}`)
  return stdout
}

/** Writes a project with one function per entry into a folder and returns the path of its deploy.json. */
export async function writeProject(
  folder: string,
  functions: Record<string, { code: string; options?: Record<string, unknown> }>,
): Promise<string> {
  const deploy = await Promise.all(
    Object.entries(functions).map(async ([name, { code, options }]) => {
      const file = join(folder, name, 'main.ts')
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, code)
      return { name, packageDir: `./${name}`, filePath: `./${name}/main.ts`, ...options }
    }),
  )
  const path = join(folder, 'deploy.json')
  await writeFile(path, JSON.stringify({ deploy }))
  return path
}
