/**
 * The span of an invocation (OpenTelemetry semantic conventions: FaaS, HTTP server). Everything is lazy:
 * most invocations of a busy function are not recorded.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { HEADERS } from '../protocol/index.ts'
import {
  exceptionEvent,
  isSampled,
  parseTraceContext,
  preciseNow,
  type Attributes,
  type AttributeValue,
  type SpanEvent,
  type SpanKind,
  type TraceContext,
  type Tracing,
} from '../telemetry/index.ts'

/** Further logs are dropped and counted. */
const MAX_EVENTS = 128
const MAX_LOG_LENGTH = 4_096

export interface InvocationEnd {
  name: string
  durationMs: number
  isError: boolean
}

export class InvocationSpan {
  readonly tracing: Tracing
  readonly #headers: IncomingHttpHeaders
  #parent: TraceContext | undefined
  #context: TraceContext | undefined
  #events: SpanEvent[] | undefined
  #dropped = 0
  #attributes: Record<string, AttributeValue | undefined> | undefined
  #isError = false

  constructor(tracing: Tracing, headers: IncomingHttpHeaders) {
    this.tracing = tracing
    this.#headers = headers
  }

  get context(): TraceContext {
    if (this.#context === undefined) {
      const { traceparent, tracestate } = this.#headers
      this.#parent = parseTraceContext(text(traceparent), text(tracestate))
      this.#context = this.tracing.begin(this.#parent)
    }
    return this.#context
  }

  /** Whether spans within it are worth describing. */
  get isRecorded(): boolean {
    return this.tracing.isOn && isSampled(this.context)
  }

  get trigger(): 'http' | 'pubsub' | 'datasource' {
    if (this.#headers[HEADERS.callId] === undefined) return 'http'
    return this.#headers['content-type']?.startsWith('application/cloudevents') === true ? 'datasource' : 'pubsub'
  }

  addLog(severity: string, message: string): void {
    this.#add({
      name: 'log',
      time: preciseNow(),
      attributes: { 'log.severity': severity, 'log.message': message.slice(0, MAX_LOG_LENGTH) },
    })
  }

  addEvent(name: string, attributes: Attributes): void {
    if (this.tracing.isOn) this.#add({ name, time: preciseNow(), attributes })
  }

  setAttributes(attributes: Attributes): void {
    if (this.tracing.isOn) Object.assign((this.#attributes ??= {}), attributes)
  }

  /** The handler sets the outcome, whatever it returns. */
  setError(isError: boolean): void {
    this.#isError = isError
  }

  addException(error: unknown): void {
    if (this.tracing.isOn) this.#add(exceptionEvent(error))
  }

  /** @param describe called only if it is recorded */
  end({ name, durationMs, ...end }: InvocationEnd, describe: () => Attributes): void {
    const isError = end.isError || this.#isError
    if (!this.tracing.isWorth(this.context, { isError, durationMs })) return
    const endTime = preciseNow()
    const callId = text(this.#headers[HEADERS.callId])
    this.tracing.record({
      name,
      kind: 'server' satisfies SpanKind,
      context: this.context,
      parentSpanId: this.#parent?.spanId,
      startTime: endTime - durationMs,
      endTime,
      attributes: {
        'faas.trigger': this.trigger,
        'faas.invocation_id': callId,
        'ryo_faas.request_id': text(this.#headers[HEADERS.requestId]),
        'ryo_faas.dropped_events': this.#dropped === 0 ? undefined : this.#dropped,
        ...describe(),
        ...this.#attributes,
      },
      ...(this.#events !== undefined && { events: this.#events }),
      status: { code: isError ? 'error' : 'unset' },
    })
  }

  #add(event: SpanEvent): void {
    this.#events ??= []
    if (this.#events.length < MAX_EVENTS) this.#events.push(event)
    else this.#dropped += 1
  }
}

function text(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
