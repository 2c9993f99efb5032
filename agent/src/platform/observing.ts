/** What the agent sees of the platform: it takes traces, and records its metrics. */
import { join } from 'node:path'
import type { TracingSettings } from '@ryo-faas/runtime/telemetry'
import { startAgentTracing } from './agent-tracing.ts'
import {
  startCollector,
  type Collector,
  type CollectorOptions,
  type TraceStore,
} from '../observability/collector/index.ts'
import type { ProxyReach } from '../engines/index.ts'
import { portTaken } from '../host/index.ts'
import type { Launch } from './launch.ts'
import { throttle } from './throttle.ts'

export interface Observing {
  traces: TraceStore
  /** What functions record, and where they reach the collector; absent: nothing. */
  functionTracing: TracingSettings | undefined
  /** The same for the parts of the platform. */
  partTracing: TracingSettings | undefined
}

const HOST = '127.0.0.1'
const EVENTS_GAP_MS = 500

/** Comes before the parts that send to it. */
export async function startObserving(launch: Launch, reach: ProxyReach): Promise<Observing> {
  const { home, started, metrics } = launch
  const tellTraces = throttle(() => launch.events.emit('event', { type: 'traces-changed' }), EVENTS_GAP_MS)
  started.add(tellTraces)
  const collector = await openCollector(launch, reach, tellTraces)
  started.add(collector)
  await home.state.rememberPort('collector', collector.port)
  started.add(metrics.record())
  const { traces, traceRate: perSecond, traceRatio: ratio, traceSlowMs: slowMs } = launch.options
  if (traces === 'off') return { traces: collector.traces, functionTracing: undefined, partTracing: undefined }
  const settingsAt = (host: string) => ({ url: `http://${host}:${collector.port}`, perSecond, ratio, slowMs })
  const partTracing = { ...settingsAt(HOST), token: home.secrets.keys.part }
  started.add(startAgentTracing(partTracing))
  return { traces: collector.traces, functionTracing: settingsAt(reach.proxyHost), partTracing }
}

async function openCollector(launch: Launch, reach: ProxyReach, onChange: () => void): Promise<Collector> {
  const { home, options, environment, logger, metrics } = launch
  const known = home.state.current.ports['collector']
  const collector = {
    folder: join(home.folder, 'traces'),
    host: HOST,
    extraHosts: reach.listenHosts,
    hostNames: [reach.proxyHost],
    access: home.secrets.keys,
    environment,
    logger,
    registry: metrics.registry,
    onChange,
  }
  try {
    return await listenOn(known ?? options.collectorPort, collector)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    if (known === undefined) throw await portTaken('collector', options.collectorPort)
    // Running functions still send to the old port: their traces are missing until they restart; all else works.
    logger.warn({ port: known }, 'the collector’s port is in use by another program; using another one')
    return listenOn(0, collector)
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
