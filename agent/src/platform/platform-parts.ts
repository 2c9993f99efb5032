/** Starts the parts of the platform: which processes there are, and how each is configured. */
import { setTimeout as delay } from 'node:timers/promises'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import { BusError, connectBus, ensureStreams } from '../bus/index.ts'
import type { DockerService } from '../docker/index.ts'
import type { ProxyReach } from '../engines/index.ts'
import { entryPath } from './entries.ts'
import type { EnsuredSecrets } from './ensured-secrets.ts'
import { obtainNats } from './nats-choice.ts'
import { networksOf, type PlatformOptions } from './options.ts'
import { dispatcherPart } from '../services/dispatcher/index.ts'
import { ensureCredentials } from '../services/nats/index.ts'
import { proxyPart } from '../services/proxy/index.ts'
import { storePart } from '../services/store/index.ts'
import type { StateStore } from '../deployments/state/index.ts'
import { ProcessPart, type Supervisor } from '../supervisor/index.ts'

export interface PlatformPartsOptions {
  home: string
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  nodePath: string
  state: StateStore
  supervisor: Supervisor
  secrets: EnsuredSecrets
  /** Which spans parts send, and where. */
  traces: () => TracingSettings | undefined
}

type PortName = 'nats' | 'proxy' | 'agent' | 'store' | 'collector'

const BUS_TIMEOUT_MS = 10_000
const ASK_AGAIN_MS = 200

export class PlatformParts {
  readonly #options: PlatformPartsOptions

  constructor(options: PlatformPartsOptions) {
    this.#options = options
  }

  async startNats(docker: DockerService, report: (doing: string) => void): Promise<void> {
    const { home, options, environment, supervisor } = this.#options
    const port = () => this.#port('nats') ?? options.natsPort
    const part = await obtainNats({ home, options, environment, docker, port, report })
    const running = await supervisor.start(part)
    await this.rememberPort('nats', running.address)
    const deadline = performance.now() + BUS_TIMEOUT_MS
    const bus = await connectBus({ ...(await this.#nats()), name: 'agent' }, AbortSignal.timeout(BUS_TIMEOUT_MS))
    const limits = { idempotencyWindowMs: options.idempotencyWindowMs, statesMaxAgeMs: options.callRetentionMs }
    try {
      for (;;) {
        try {
          return await ensureStreams(bus, limits)
        } catch (error) {
          // A server that is still loading its data responds late, or says that it is not ready.
          const isUnready = error instanceof BusError && error.code === 'UNAVAILABLE'
          if (!isUnready || performance.now() > deadline) throw error
          await delay(ASK_AGAIN_MS)
        }
      }
    } finally {
      await bus.close()
    }
  }

  async startProxy(reach: ProxyReach): Promise<void> {
    const { home, options, environment, nodePath, supervisor, secrets } = this.#options
    const nats = await this.#nats()
    const part = proxyPart({
      traces: this.#options.traces,
      home,
      nodePath,
      entry: entryPath('services/proxy/main'),
      environment,
      host: options.host,
      trustProxy: networksOf(options.trustProxy),
      workers: options.proxyWorkers,
      port: () => this.#port('proxy') ?? options.port,
      extraHosts: () => reach.listenHosts,
      access: secrets.keys,
      asyncCalls: () => ({
        nats,
        asyncBodyLimitBytes: bytesOf(options.asyncBodyLimitMb),
        callbackAllow: callbackHosts(options),
      }),
    })
    const running = await supervisor.start(part)
    await this.rememberPort('proxy', running.address)
  }

  async startStore(reach: ProxyReach): Promise<void> {
    const { home, options, environment, nodePath, supervisor, secrets } = this.#options
    const nats = await this.#nats()
    const part = storePart({
      traces: this.#options.traces,
      home,
      nodePath,
      entry: entryPath('services/store/main'),
      environment,
      project: options.project,
      port: () => this.#port('store') ?? options.storePort,
      extraHosts: () => reach.listenHosts,
      hostNames: [reach.proxyHost],
      access: secrets.keys,
      nats: () => nats,
    })
    const running = await supervisor.start(part)
    await this.rememberPort('store', running.address)
  }

  async startDispatchers(): Promise<void> {
    const { home, options, environment, nodePath, supervisor, secrets } = this.#options
    const nats = await this.#nats()
    const makePart = (number: number) =>
      dispatcherPart({
        traces: this.#options.traces,
        home,
        nodePath,
        entry: entryPath('services/dispatcher/main'),
        environment,
        nats: () => nats,
        proxyUrl: () => `http://127.0.0.1:${this.#port('proxy')}`,
        storeUrl: () => `http://127.0.0.1:${this.#port('store')}`,
        callback: () => ({ secret: secrets.callbackSecret, allow: callbackHosts(options) }),
        resultLimitBytes: bytesOf(options.resultLimitMb),
        access: secrets.keys,
        number,
        dispatchers: options.dispatchers,
      })
    await Promise.all(Array.from({ length: options.dispatchers }, (_, index) => supervisor.start(makePart(index + 1))))
  }

  async startKeeper(): Promise<void> {
    const { home, environment, supervisor } = this.#options
    const part = new ProcessPart({
      name: 'keeper',
      home,
      command: process.execPath,
      args: [entryPath('main/keeper'), home],
      env: environment,
      note: 'brings the agent back if it dies',
      graceMs: 2000,
      probe: async () => '',
    })
    await supervisor.start(part)
  }

  /** A chosen port is kept, so that clients find a restarted part where it was. */
  async rememberPort(part: PortName, address: string | undefined): Promise<void> {
    const port = Number(address?.split(':').at(-1))
    if (port) await this.#options.state.rememberPort(part, port)
  }

  #port(part: PortName): number | undefined {
    return this.#options.state.current.ports[part]
  }

  async #nats(): Promise<{ url: string; user: string; password: string }> {
    return { url: `nats://127.0.0.1:${this.#port('nats')}`, ...(await ensureCredentials(this.#options.home)) }
  }
}

function bytesOf(megabytes: number): number {
  return Math.round(megabytes * 1024 * 1024)
}

function callbackHosts({ callbackAllow }: PlatformOptions): string[] {
  return callbackAllow.split(',').map(pattern => pattern.trim())
}
