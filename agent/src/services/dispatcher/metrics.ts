/** The dispatcher's metrics. Invariant: values of `faas_name` are names of deployed functions. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { platformCodeOf, type AttemptEnd, type FaasTrigger, type Verdict } from '../../calls/index.ts'
import { addProcessMetrics } from '../../host/index.ts'

/** OpenTelemetry's for HTTP durations, plus longer runs, as in the proxy. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300]

/** What starts a function: `async` for calls, otherwise the label of the trigger's source (see `FaasTrigger`). */
export type TriggerLabel = 'async' | FaasTrigger

export interface AttemptFigures {
  verdict: Verdict
  end: AttemptEnd
  durationMs: number
}

/** Calls that are accepted and not final, by function name. */
export type DepthOf = () => Promise<Map<string, number>>

/** Events that a trigger has not finished, by function name and key of the handler. */
export type LagOf = () => Promise<{ name: string; key: string; events: number }[]>

export class DispatcherMetrics {
  readonly registry = new Registry()
  readonly retries: Counter<'faas_name'>
  readonly dead: Counter<'faas_name'>
  readonly callbacks: Counter<'outcome'>
  private readonly invocations: Counter<'faas_name' | 'faas_trigger' | 'http_response_status_class'>
  private readonly durations: Histogram<'faas_name' | 'faas_trigger'>
  readonly errors: Counter<'faas_name' | 'faas_trigger' | 'error_code'>
  private readonly timeouts: Counter<'faas_name' | 'faas_trigger'>

  constructor(depthOf: DepthOf, lagOf: LagOf) {
    const registers = [this.registry]
    addProcessMetrics(this.registry)
    const labels = ['faas_name', 'faas_trigger'] as const
    this.invocations = new Counter({
      name: 'faas_invocations_total',
      help: 'Invocations that ended.',
      labelNames: [...labels, 'http_response_status_class'],
      registers,
    })
    this.durations = new Histogram({
      name: 'faas_invoke_duration_seconds',
      help: 'Time from request to the end of the answer.',
      labelNames: labels,
      buckets: BUCKETS,
      registers,
    })
    this.errors = new Counter({
      name: 'faas_errors_total',
      help: 'Invocations that failed, by error code.',
      labelNames: [...labels, 'error_code'],
      registers,
    })
    this.timeouts = new Counter({
      name: 'faas_timeouts_total',
      help: 'Invocations that ran over their limit.',
      labelNames: labels,
      registers,
    })
    this.retries = new Counter({
      name: 'faas_async_retries_total',
      help: 'Attempts that failed and will be retried.',
      labelNames: ['faas_name'],
      registers,
    })
    this.dead = new Counter({
      name: 'faas_async_dead_total',
      help: 'Calls that became dead letters.',
      labelNames: ['faas_name'],
      registers,
    })
    this.callbacks = new Counter({
      name: 'faas_callbacks_total',
      help: 'Attempts to deliver a result, by outcome.',
      labelNames: ['outcome'],
      registers,
    })
    const { dead, retries } = this
    new Gauge({
      name: 'faas_async_queue_depth',
      help: 'Asynchronous calls that are accepted and not final, including running ones; the same in every dispatcher.',
      labelNames: ['faas_name'],
      registers,
      async collect() {
        const depths = await depthOf()
        this.reset()
        for (const [name, depth] of depths) {
          this.set({ faas_name: name }, depth)
          // Prometheus sees no increase in a counter that starts at 1.
          for (const counter of [dead, retries]) counter.inc({ faas_name: name }, 0)
        }
      },
    })
    new Gauge({
      name: 'faas_trigger_lag_events',
      help: 'Document events that a trigger of this dispatcher has not finished.',
      labelNames: ['faas_name', 'faas_handler'],
      registers,
      async collect() {
        const lags = await lagOf()
        this.reset()
        for (const { name, key, events } of lags) this.set({ faas_name: name, faas_handler: key }, events)
      },
    })
  }

  attempt(name: string, trigger: TriggerLabel, { verdict, end, durationMs }: AttemptFigures): void {
    const labels = { faas_name: name, faas_trigger: trigger }
    const statusClass = end.kind === 'answer' ? `${Math.floor(end.status / 100)}xx` : 'aborted'
    this.invocations.inc({ ...labels, http_response_status_class: statusClass })
    this.durations.observe(labels, durationMs / 1_000)
    if (verdict.kind === 'succeeded') return
    if (verdict.error.code === 'FUNCTION_TIMEOUT') this.timeouts.inc(labels)
    const isOwn = end.kind === 'answer' && platformCodeOf(end) === undefined
    if (!isOwn) this.errors.inc({ ...labels, error_code: verdict.error.code })
    else if (end.status >= 500) this.errors.inc({ ...labels, error_code: 'FUNCTION_5XX' })
  }
}
