/**
 * Tracing of one process: begins spans, decides which are recorded, hands those to the exporter. Without a collector
 * (`url`) nothing is recorded, and trace contexts pass through.
 *
 * Recorded is what is sampled, and of the rest what ended in an error or took long: those are what somebody looks for.
 * Every process decides on its own spans, so that of an unsampled call the failing or slow parts are there.
 */
import { SpanExporter, type ExporterFigures } from './exporter.ts'
import { IdSource } from './ids.ts'
import { Sampler } from './sampler.ts'
import type { Attributes, Span } from './span.ts'
import { isSampled, RANDOM, SAMPLED, type TraceContext } from './trace-context.ts'

export interface TracingSettings {
  /** Base URL of the collector. */
  url: string
  /** What the collector knows the sender by. */
  token?: string | undefined
  /** Traces that begin in this process and are recorded each second. */
  perSecond: number
  /** Share of the others, 0 to 1. */
  ratio: number
  /** What takes this long is recorded whether sampled or not; 0 means nothing is. */
  slowMs: number
}

export interface TracingOptions {
  settings: TracingSettings | undefined
  /** `service.name` and what else is known of the process. */
  resource: Attributes
}

const NOTHING: ExporterFigures = { sent: 0, dropped: 0 }

export class Tracing {
  private readonly ids = new IdSource()
  private readonly sampler: Sampler | undefined
  /** Of what is recorded though not sampled: many failures at once must not cost more than many calls. */
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
   * The context of a new span: a child of `parent`, or the first of a trace of its own (whose id may be given). If
   * nothing is recorded here, the next one is a child of `parent` itself.
   */
  begin(parent: TraceContext | undefined, traceId?: string): TraceContext {
    if (parent !== undefined && this.exporter === undefined) return parent
    const spanId = this.ids.spanId()
    if (parent !== undefined) {
      return { traceId: parent.traceId, spanId, flags: parent.flags, traceState: parent.traceState }
    }
    const isRecorded = this.sampler?.decide(performance.now()) ?? false
    return { traceId: traceId ?? this.ids.traceId(), spanId, flags: isRecorded ? RANDOM | SAMPLED : RANDOM }
  }

  /** Whether a span that ended so is to be recorded. */
  isWorth(context: TraceContext, { isError, durationMs }: { isError: boolean; durationMs: number }): boolean {
    if (this.exceptions === undefined) return false
    if (isSampled(context)) return true
    return (isError || durationMs >= this.slowMs) && this.exceptions.decide(performance.now())
  }

  record(span: Span): void {
    this.exporter?.add(span)
  }

  /** Sends what is held. */
  async close(): Promise<void> {
    await this.exporter?.close()
  }
}
