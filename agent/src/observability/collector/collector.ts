/** The collector: receives spans, keeps recent traces, forwards them if configured, and counts. */
import type { FastifyBaseLogger } from 'fastify'
import { Counter, Gauge, Registry, type Metric } from 'prom-client'
import type { AccessKeys } from '../../access/index.ts'
import type { ExtraHost } from '../../host/index.ts'
import { startCollectorServer, type CollectorServer } from './collector-server.ts'
import { FORWARDED_HEADER, Forwarder, forwardTarget, type ForwardDropReason } from './forwarder.ts'
import { openTraces } from './open-traces.ts'
import type { TraceBounds, TraceStore } from './trace-store.ts'

export interface CollectorOptions {
  /** Folder of the trace store. */
  folder: string
  host: string
  extraHosts: readonly ExtraHost[]
  hostNames: readonly string[]
  port: number
  access: AccessKeys
  environment: NodeJS.ProcessEnv
  logger: FastifyBaseLogger
  /** The collector registers its metrics here. */
  registry: Registry
  /** Traces were added or changed. */
  onChange: () => void
  bounds?: Partial<TraceBounds>
  forward?: { maxQueueBytes: number; giveUpMs: number }
}

export interface Collector {
  readonly port: number
  readonly traces: TraceStore
  close(): Promise<void>
}

const BOUNDS: TraceBounds = {
  maxTraces: 10_000,
  maxBytes: 64 * 1024 * 1024,
  maxSpansPerTrace: 1_000,
  maxWaitingBytes: 16 * 1024 * 1024,
}
const REASONS: readonly ForwardDropReason[] = ['full', 'refused', 'unreachable']
const FORWARD = { maxQueueBytes: 8 * 1024 * 1024, giveUpMs: 120_000 }

/** @throws an error with code EADDRINUSE if the port is taken on one of the addresses. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { folder, logger, onChange } = options
  const traces = await openTraces({
    folder,
    bounds: { ...BOUNDS, ...options.bounds },
    onChange,
    onFault: error => logger.error({ err: error }, 'traces cannot be stored: writing to disk failed'),
    onDamage: damage => logger.warn(damage, 'stored traces could not be opened and were moved aside'),
  })
  // Registered only once the collector listens.
  const registry = new Registry()
  const counters = countersOf(registry)
  const forwarder = createForwarder(options, counters)
  addGauges(registry, traces, forwarder)
  let server: CollectorServer
  try {
    server = await startCollectorServer({
      ...options,
      onSpans: (spans, { body, headers, sender }) => {
        counters.received.inc(spans.length)
        if (headers[FORWARDED_HEADER] === undefined) forwarder?.add({ body, spans: spans.length })
        return traces.add(spans, sender)
      },
      onRefused: spans => (spans === 0 ? counters.refusedRequests.inc() : counters.refusedSpans.inc(spans)),
    })
  } catch (error) {
    await traces.close()
    throw error
  }
  for (const metric of registry.getMetricsAsArray()) options.registry.registerMetric(metric as unknown as Metric)
  return {
    port: server.port,
    traces,
    close: async () => {
      await server.close()
      await forwarder?.close()
      await traces.close()
    },
  }
}

type Counters = ReturnType<typeof countersOf>

function countersOf(registry: Registry) {
  const registers = [registry]
  const counters = {
    received: new Counter({ name: 'traces_received_spans_total', help: 'Spans received.', registers }),
    refusedSpans: new Counter({
      name: 'traces_refused_spans_total',
      help: 'Spans that did not follow the protocol.',
      registers,
    }),
    refusedRequests: new Counter({
      name: 'traces_refused_requests_total',
      help: 'Requests that were refused entirely: too large, of an unknown type, or unreadable.',
      registers,
    }),
    forwarded: new Counter({
      name: 'traces_forwarded_spans_total',
      help: 'Spans that the receiving collector accepted.',
      registers,
    }),
    forwardDropped: new Counter({
      name: 'traces_forward_dropped_spans_total',
      help: 'Spans that were not forwarded: the queue was full, they were refused, or the receiver was unreachable for too long.',
      labelNames: ['reason'] as const,
      registers,
    }),
  }
  // To Prometheus a counter that first appears as 1 has not increased.
  for (const reason of REASONS) counters.forwardDropped.inc({ reason }, 0)
  return counters
}

function addGauges(registry: Registry, traces: TraceStore, forwarder: Forwarder | undefined): void {
  const registers = [registry]
  new Counter({
    name: 'traces_dropped_spans_total',
    help: 'Spans that were not stored: too many waited for the disk, the write failed, or their trace was full.',
    labelNames: ['reason'] as const,
    registers,
    collect() {
      this.reset()
      for (const [reason, spans] of Object.entries(traces.figures().dropped)) this.inc({ reason }, spans)
    },
  })
  const gauge = (name: string, help: string, value: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value())
      },
    })
  gauge('traces_kept', 'Stored traces.', () => traces.figures().traces)
  gauge('traces_kept_bytes', 'Size of the stored traces.', () => traces.figures().bytes)
  gauge('traces_forward_queue_bytes', 'Size of the queue of spans to be forwarded.', () => forwarder?.queuedBytes ?? 0)
}

function createForwarder(
  { environment, logger, forward }: CollectorOptions,
  counters: Counters,
): Forwarder | undefined {
  let target: ReturnType<typeof forwardTarget>
  try {
    target = forwardTarget(environment)
  } catch (error) {
    logger.warn({ err: error }, 'traces are not forwarded')
    return undefined
  }
  if (target === undefined) return undefined
  return new Forwarder({
    ...target,
    ...FORWARD,
    ...forward,
    onForwarded: spans => counters.forwarded.inc(spans),
    onDropped: (spans, reason) => counters.forwardDropped.inc({ reason }, spans),
    log: logger,
  })
}
