/** The agent's view of the platform: the metrics of all parts, and the traces it receives. */
import { join } from 'node:path'
import type { FastifyBaseLogger } from 'fastify'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import type { AccessKeys } from '../access/index.ts'
import { startAgentTracing, type AgentTracing } from './agent-tracing.ts'
import {
  startCollector,
  type Collector,
  type CollectorOptions,
  type TraceStore,
} from '../observability/collector/index.ts'
import { RyoFaasError, type PartView } from '../contract/index.ts'
import type { Deployer } from '../deployments/index.ts'
import { portTaken, type ExtraHost } from '../host/index.ts'
import { AgentMetrics } from './metrics.ts'
import type { PlatformOptions } from './options.ts'
import { PlatformMetrics } from './platform-metrics.ts'
import type { FunctionCounts } from '../services/proxy/index.ts'
import type { StateStore } from '../deployments/state/index.ts'
import { throttle } from './throttle.ts'

export interface ObservingOptions {
  home: string
  options: PlatformOptions
  environment: NodeJS.ProcessEnv
  logger: FastifyBaseLogger
  deployer: () => Deployer | undefined
  parts: () => readonly PartView[]
  /** The operator's token, once there is one. */
  token: () => string | undefined
  /** @throws if the proxy does not respond. */
  figures: () => Promise<FunctionCounts[]>
  /** Traces were added or changed. */
  onTraces: () => void
}

/** Where the collector listens, and who may use it. */
export interface Reachable {
  extraHosts: readonly ExtraHost[]
  /** Names, besides addresses, by which functions reach it. */
  hostNames: readonly string[]
  access: AccessKeys
}

const HOST = '127.0.0.1'
const EVENTS_GAP_MS = 500

export class Observing {
  readonly metrics: PlatformMetrics
  readonly #options: ObservingOptions
  readonly #own: AgentMetrics
  readonly #tellTraces: ReturnType<typeof throttle>
  #collector: Collector | undefined
  #ownTracing: AgentTracing | undefined
  #partToken: string | undefined

  constructor(options: ObservingOptions) {
    this.#options = options
    this.#own = new AgentMetrics(options.deployer)
    this.metrics = new PlatformMetrics({ ...options, registry: this.#own.registry })
    this.#tellTraces = throttle(options.onTraces, EVENTS_GAP_MS)
  }

  /** Call it before starting the parts, which send to it. */
  async start(state: StateStore, { extraHosts, hostNames, access }: Reachable): Promise<void> {
    const { home, options, environment, logger } = this.#options
    const { registry } = this.#own
    const known = state.current.ports['collector']
    const collector = {
      folder: join(home, 'traces'),
      host: HOST,
      extraHosts,
      hostNames,
      access,
      environment,
      logger,
      registry,
    }
    const onChange = this.#tellTraces
    this.#collector = await listenOn(known ?? options.collectorPort, { ...collector, onChange }).catch(
      async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EADDRINUSE') throw error
        if (known === undefined) throw await portTaken('collector', options.collectorPort)
        // Running functions still send to the old port: their traces are missing until they restart; all else works.
        logger.warn({ port: known }, 'the collector’s port is in use by another program; using another one')
        return listenOn(0, { ...collector, onChange })
      },
    )
    await state.rememberPort('collector', this.#collector.port)
    this.metrics.start()
    this.#partToken = access.part
    const own = this.tracingOfParts()
    if (own !== undefined) this.#ownTracing = startAgentTracing(own)
  }

  /** What is recorded, and where to send it (the collector's address as seen from `host`); undefined if nothing is. */
  tracing(host: string): TracingSettings | undefined {
    const { traces, traceRate: perSecond, traceRatio: ratio, traceSlowMs: slowMs } = this.#options.options
    if (traces === 'off' || this.#collector === undefined) return undefined
    return { url: `http://${host}:${this.#collector.port}`, perSecond, ratio, slowMs }
  }

  /** Settings for the parts of the platform. */
  tracingOfParts(): TracingSettings | undefined {
    const settings = this.tracing(HOST)
    return settings && this.#partToken !== undefined ? { ...settings, token: this.#partToken } : undefined
  }

  /** @throws RyoFaasError NOT_RUNNING until it has started. */
  get traces(): TraceStore {
    if (this.#collector) return this.#collector.traces
    throw new RyoFaasError('NOT_RUNNING', 'the platform is starting', { hint: 'Try again in a moment.' })
  }

  async close(): Promise<void> {
    this.#tellTraces.close()
    this.metrics.close()
    await this.#ownTracing?.close()
    await this.#collector?.close()
  }
}

const TRIES = 5

/** Port 0 gives one that is free on the first address but may be taken on another: then it tries a new one. */
async function listenOn(port: number, options: Omit<CollectorOptions, 'port'>): Promise<Collector> {
  for (let tries = 1; ; tries++) {
    try {
      return await startCollector({ ...options, port })
    } catch (error) {
      if (port !== 0 || tries === TRIES || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}
