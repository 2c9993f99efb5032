/** A further proxy of a platform, as a user starts it: with a home of its own, as on another machine. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BIN, HOME_PREFIX, type TestPlatform } from './platform.ts'

export interface FurtherProxyOptions {
  name: string
  /** In front of the command, such as one that enters another machine. */
  prefix?: () => string[]
  flags?: string[]
  /** Default: the NATS of the platform, which is on this machine. */
  natsUrl?: string
}

export class TestProxy {
  readonly name: string
  readonly home: string
  readonly #command: () => string[]
  readonly #environment: NodeJS.ProcessEnv
  #child: ChildProcess | undefined
  #url: string | undefined
  said = ''

  private constructor(home: string, options: FurtherProxyOptions, environment: NodeJS.ProcessEnv) {
    this.home = home
    this.name = options.name
    const { name, prefix = () => [], flags = ['--port', '0'] } = options
    this.#command = () => [...prefix(), process.execPath, BIN, 'proxy', '--name', name, ...flags]
    this.#environment = environment
  }

  static async start(platform: TestPlatform, options: FurtherProxyOptions): Promise<TestProxy> {
    const home = await mkdtemp(join(tmpdir(), HOME_PREFIX))
    const proxy = new TestProxy(home, options, {
      ...{ ...process.env, NO_COLOR: '1', RYO_FAAS_HOME: home },
      RYO_FAAS_NATS_URL: options.natsUrl ?? (await natsUrlOf(platform)),
      RYO_FAAS_PROXY_KEY: await readFile(join(platform.home, 'proxy-key'), 'utf8'),
    })
    await proxy.start()
    return proxy
  }

  get url(): string {
    return this.#url!
  }

  /** Of the process that was started here; those that serve are below it. */
  get pid(): number {
    return this.#child!.pid!
  }

  /** Resolves once it serves. */
  async start(): Promise<void> {
    const [program, ...args] = this.#command() as [string, ...string[]]
    const child = spawn(program, args, { env: this.#environment, stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    this.said = ''
    this.#url = await new Promise<string>((resolve, reject) => {
      const hear = (text: Buffer) => {
        this.said += text.toString()
        const [, url] = /serves at (http:\/\/\S+)/.exec(this.said) ?? []
        if (url !== undefined) resolve(url)
      }
      child.stdout.on('data', hear)
      child.stderr.on('data', hear)
      child.once('exit', code => reject(new Error(`the proxy exited with ${code}: ${this.said}`)))
    })
  }

  /** With SIGKILL: the process that watches, and so the one that serves, which notices it. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  async remove(): Promise<void> {
    await this.end()
    await rm(this.home, { recursive: true, force: true })
  }
}

export async function natsUrlOf(platform: TestPlatform): Promise<string> {
  const { user, password } = JSON.parse(await readFile(join(platform.home, 'nats', 'credentials.json'), 'utf8')) as {
    user: string
    password: string
  }
  const { parts } = await platform.view()
  return `nats://${user}:${password}@${parts.find(({ name }) => name === 'nats')!.address!}`
}
