/** One engine with a function to run on it: what the tests of the contract share. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import type { EngineCapability, LogLine } from '../../src/contract/index.ts'
import type {
  BuiltPackage,
  CommandNeeds,
  Engine,
  Instance,
  InstanceAddress,
  InstanceSpec,
  LogQuery,
  Prepared,
} from '../../src/engines/index.ts'
import { until } from '../support/until.ts'

/** A minimal function, with the engine's protocol and nothing else. */
const FUNCTION = `
import { createServer } from 'node:http'
import { accessSync, constants, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { spawn } from 'node:child_process'
const { RYO_FAAS_HOST: host = '0.0.0.0', RYO_FAAS_PORT: port = '6000', RYO_FAAS_READY_FILE: ready } = process.env
const stamp = process.env.RYO_FAAS_STAMP_LOGS ? () => new Date().toISOString() + ' stdout F ' : () => ''
const hoard = []
const server = createServer((req, res) => {
  const answer = value => res.end(JSON.stringify(value))
  switch (req.url) {
    case '/env': return answer(process.env)
    case '/secret': return answer(readFileSync((process.env.RYO_FAAS_SECRETS_DIR ?? '/run/secrets') + '/KEY', 'utf8'))
    case '/who': return answer({
      uid: process.getuid(), name: userInfo().username, status: readFileSync('/proc/self/status', 'utf8'),
      cgroup: readFileSync('/proc/self/cgroup', 'utf8'),
    })
    case '/may-run': return answer(['tool', 'main.mjs'].filter(file => {
      try { accessSync(new URL(file, import.meta.url), constants.X_OK); return true } catch { return false }
    }))
    case '/looks': return answer({
      argv: process.argv.slice(1), execArgv: process.execArgv, cwd: process.cwd(), files: readdirSync(new URL('.', import.meta.url)).sort(),
      hours: new Date(0).getTimezoneOffset() / 60, lineage: [typeof require, process.mainModule ?? null],
    })
    case '/write': try { writeFileSync('/app/x', 'x'); return answer('written') } catch (e) { return answer(e.code) }
    case '/tmp': writeFileSync('/tmp/x', 'x'); return answer('written')
    case '/crash': process.exit(7)
    case '/flood': for (let i = 1; i <= 30000; i++) console.log(stamp() + 'line ' + i); return answer('written')
    case '/heap': for (;;) hoard.push(new Array(1e5).fill(0).map(() => ({})))
    case '/buffers': setInterval(() => hoard.push(Buffer.alloc(16e6, 1)), 40); return
    case '/fork': {
      let failed = 0, started = 0
      const children = Array.from({ length: 100 }, () => spawn(process.execPath, ['-e', 'setTimeout(() => {}, 1e4)']))
      for (const child of children) child.once('spawn', () => started++).once('error', () => failed++)
      return setTimeout(() => { for (const child of children) child.kill('SIGKILL'); answer({ failed, started }) }, 1500)
    }
    default: return answer('hello')
  }
})
server.listen(Number(port), host, () => {
  console.log(stamp() + 'listening')
  if (ready) writeFileSync(ready, JSON.stringify({ port: server.address().port, pid: process.pid }))
})
process.on('SIGTERM', () => { console.log(stamp() + 'bye'); server.close(() => process.exit(0)); server.closeAllConnections() })
`

export interface EngineUnderTest {
  /** A new engine object over the same project; called twice in the test of adoption. */
  make(): Promise<Engine>
  /** Each one named here is tested, and each existing one must be named. */
  has: EngineCapability[]
  /** An instance's use of the machine's resources and its access to the machine are limited. */
  isolates: boolean
  /** An instance that exceeds its memory limit dies alone. */
  limitsMemory: boolean
}

export const never = new AbortController().signal

export class EngineStage {
  readonly home: string
  readonly under: EngineUnderTest
  readonly engine: Engine
  readonly prepared: Prepared
  readonly built: BuiltPackage
  /** The image or folder that instances of `built` are started from. */
  readonly image: string
  static #count = 0

  private constructor(parts: Pick<EngineStage, 'home' | 'under' | 'engine' | 'prepared' | 'built' | 'image'>) {
    this.home = parts.home
    this.under = parts.under
    this.engine = parts.engine
    this.prepared = parts.prepared
    this.built = parts.built
    this.image = parts.image
  }

  static async make(setUp: (home: string) => EngineUnderTest): Promise<EngineStage> {
    const home = await mkdtemp(join(tmpdir(), 'rfa-engine-'))
    const under = setUp(home)
    const engine = await under.make()
    const prepared = await engine.prepare(() => undefined)
    const built = await writePackage(home, FUNCTION, 'h1')
    const image = await imageFor(engine, built)
    return new EngineStage({ home, under, engine, prepared, built, image })
  }

  async stopInstances(): Promise<void> {
    for (const { id } of await this.engine.instances()) await this.engine.stop(id, 0)
  }

  async remove(): Promise<void> {
    await this.engine.cleanUp(true)
    await this.engine.close()
    await rm(this.home, { recursive: true, force: true })
  }

  /** A package with different code, by default the same with a comment. */
  package(hash: string, code = `// ${hash}\n${FUNCTION}`): Promise<BuiltPackage> {
    return writePackage(this.home, code, hash)
  }

  imageOf(built: BuiltPackage): Promise<string> {
    return imageFor(this.engine, built)
  }

  specOf(changes: Partial<InstanceSpec> = {}): InstanceSpec {
    const limits = { memoryMb: 128, cpus: 1, pids: 64 }
    const command = nodeCommand(this.engine.commandNeeds({ limits, ...changes }))
    const id = `i${++EngineStage.#count}x`
    return { id, route: 'probe', version: 1, image: this.image, command, env: {}, secrets: {}, limits, ...changes }
  }

  start(changes: Partial<InstanceSpec> = {}): Promise<Instance> {
    return this.engine.start(this.specOf(changes), never)
  }

  /** An instance out of the pool, as soon as one waits. */
  async take(changes: Partial<InstanceSpec> = {}): Promise<Instance> {
    const { limits, ...spec } = this.specOf(changes)
    return until(async () => {
      const taken = await this.engine.pool!.take({ ...spec, limits }, this.built, never)
      return taken.kind === 'taken' ? taken.instance : undefined
    })
  }

  async stateOf(id: string): Promise<Instance['state'] | undefined> {
    return (await this.engine.instances()).find(instance => instance.id === id)?.state
  }

  exitOf(id: string): Promise<Extract<Instance['state'], { kind: 'exited' }>> {
    return until(async () => {
      const state = await this.stateOf(id)
      return state?.kind === 'exited' ? state : undefined
    })
  }

  async lines(id: string, query: Partial<LogQuery> = {}): Promise<LogLine[]> {
    const lines: LogLine[] = []
    const source = { route: 'probe', id }
    for await (const line of this.engine.logs!.read(source, { follow: false, ...query }, never)) lines.push(line)
    return lines
  }
}

/**
 * Sends a request to an instance. It may need a moment to listen: until then a connection is refused, or (behind a
 * published port) accepted and closed, so it first polls `/` until it answers.
 */
export async function ask(instance: Instance, path: string): Promise<unknown> {
  const address = addressOf(instance)
  const hello = await until(() => get(address).catch(() => undefined))
  return path === '/' ? hello : get(address, path)
}

export function addressOf({ state }: Instance): InstanceAddress {
  if (state.kind !== 'running') throw new Error('it is not running')
  return state.address
}

/** Not fetch: the standard forbids it port 6000 (https://fetch.spec.whatwg.org/#port-blocking). */
export async function get({ host, port }: InstanceAddress, path = '/'): Promise<unknown> {
  const { body } = await request(`http://${host}:${port}${path}`, { signal: AbortSignal.timeout(10_000) })
  return body.json()
}

async function imageFor(engine: Engine, built: BuiltPackage): Promise<string> {
  return engine.images === undefined ? built.dir : engine.images.build(built, never)
}

/** The entry file in its code folder. */
function nodeCommand({ memoryMb, debug }: CommandNeeds): string[] {
  return [
    'node',
    ...(memoryMb === undefined ? [] : [`--max-old-space-size=${memoryMb}`]),
    ...(debug === undefined ? [] : [`--inspect=${debug.host}:${debug.port}`]),
    'main.mjs',
  ]
}

async function writePackage(home: string, code: string, hash: string): Promise<BuiltPackage> {
  const dir = join(home, 'deployments', 'probe', hash, 'app')
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, 'main.mjs'), code)
  await writeFile(join(dir, 'tool'), '', { mode: 0o700 })
  return { route: 'probe', hash, dir }
}
