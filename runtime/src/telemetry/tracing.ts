/**
 * Tracing of one process: starts spans, decides which are recorded, passes those to the exporter. Without a collector
 * (`url`) nothing is recorded, and trace contexts pass through.
 *
 * Sampled spans are recorded, and unsampled ones that failed or were slow: those are what people look for. Every
 * process decides for its own spans, so an unsampled call still shows its failing or slow parts.
 */
import { SpanExporter, type ExporterFigures } from './exporter.ts'
import { IdSource } from './ids.ts'
import { monotonicNow } from './monotonic-now.ts'
import { Sampler } from './sampler.ts'
import type { Attributes, Span } from './span.ts'
import { isSampled, RANDOM, SAMPLED, type TraceContext } from './trace-context.ts'

export interface TracingSettings {
  /** Base URL of the collector. */
  url: string
  /** Token of the sender for the collector. */
  token?: string | undefined
  /** How many traces that start in this process are recorded per second. */
  perSecond: number
  /** Fraction of the others, 0 to 1. */
  ratio: number
  /** Spans at least this long are recorded even if not sampled; 0: off. */
  slowMs: number
}

export interface TracingOptions {
  settings: TracingSettings | undefined
  /** `service.name` and other attributes of the process. */
  resource: Attributes
}

const NOTHING: ExporterFigures = { sent: 0, dropped: 0 }

export class Tracing {
  private readonly ids = new IdSource()
  private readonly sampler: Sampler | undefined
  /** Limit of spans recorded though not sampled: many failures at once must not cost more than many calls. */
  private readonly exceptions: Sampler | undefined
  private readonly slowMs: number
  private readonly exporter: SpanExporter | undefined

  constructor({ settings, resource }: TracingOptions) {
    if (settings === undefined) {
      this.slowMs = Infinity
      return
    }
    this.sampler = new Sampler(settings)
    this.exceptions = new Sampler({ perSecond: settings.perSecond, ratio: 0 })
    this.slowMs = settings.slowMs === 0 ? Infinity : settings.slowMs
    this.exporter = new SpanExporter({ url: settings.url, token: settings.token, resource })
  }

  get isOn(): boolean {
    return this.exporter !== undefined
  }

  /** Always the same object, kept up to date. */
  get figures(): Readonly<ExporterFigures> {
    return this.exporter?.figures ?? NOTHING
  }

  /**
   * The context of a new span: a child of `parent`, or the first of a new trace (whose id may be given). If nothing is
   * recorded here, the next process's span is a child of `parent` itself.
   */
  begin(parent: TraceContext | undefined, traceId?: string): TraceContext {
    if (parent !== undefined && this.exporter === undefined) return parent
    const spanId = this.ids.spanId()
    if (parent !== undefined) {
      return { traceId: parent.traceId, spanId, flags: parent.flags, traceState: parent.traceState }
    }
    const isRecorded = this.sampler?.decide(monotonicNow()) ?? false
    return { traceId: traceId ?? this.ids.traceId(), spanId, flags: isRecorded ? RANDOM | SAMPLED : RANDOM }
  }

  /** Whether a span with this outcome is recorded. */
  isWorth(context: TraceContext, { isError, durationMs }: { isError: boolean; durationMs: number }): boolean {
    if (this.exceptions === undefined) return false
    if (isSampled(context)) return true
    return (isError || durationMs >= this.slowMs) && this.exceptions.decide(monotonicNow())
  }

  record(span: Span): void {
    this.exporter?.add(span)
  }

  /** Sends what is queued, if the collector takes it. */
  async flush(): Promise<void> {
    await this.exporter?.flush()
  }

  /** Sends what is queued, and nothing after that. */
  async close(): Promise<void> {
    await this.exporter?.close()
  }
}
