/** Spans that user code makes with OpenTelemetry's API, and the invocation's span as seen through that API. */
import type * as Api from '@opentelemetry/api'
import {
  exceptionEvent,
  isSampled,
  preciseNow,
  type Attributes,
  type AttributeValue,
  type SpanEvent,
  type SpanKind,
  type SpanLink,
  type SpanStatus,
  type TraceContext,
  type Tracing,
} from '../telemetry/index.ts'
import type { InvocationSpan } from './invocation-span.ts'

/** Indexed by the API's enumerations; this module imports types only. */
const KINDS: readonly SpanKind[] = ['internal', 'server', 'client', 'producer', 'consumer']
const STATUS_CODES: readonly SpanStatus['code'][] = ['unset', 'ok', 'error']
const MAX_EVENTS = 128

export interface ApiSpanStart {
  tracing: Tracing
  name: string
  context: TraceContext
  parentSpanId: string | undefined
  scope: { name: string; version?: string | undefined }
  options: Api.SpanOptions
}

export class ApiSpan implements Api.Span {
  readonly #start: ApiSpanStart
  readonly #startTime: number
  #name: string
  #attributes: Record<string, AttributeValue | undefined>
  #events: SpanEvent[] = []
  #links: SpanLink[]
  #status: SpanStatus = { code: 'unset' }
  #isEnded = false

  constructor(start: ApiSpanStart) {
    const { name, options } = start
    this.#start = start
    this.#name = name
    this.#startTime = timeOf(options.startTime)
    this.#attributes = attributesOf(options.attributes)
    this.#links = (options.links ?? []).map(linkOf)
  }

  get traceContext(): TraceContext {
    return this.#start.context
  }

  spanContext(): Api.SpanContext {
    return toSpanContext(this.#start.context)
  }

  setAttribute(key: string, value: Api.AttributeValue): this {
    if (!this.#isEnded) this.#attributes[key] = valueOf(value)
    return this
  }

  setAttributes(attributes: Api.Attributes): this {
    if (!this.#isEnded) Object.assign(this.#attributes, attributesOf(attributes))
    return this
  }

  addEvent(name: string, attributesOrTime?: Api.Attributes | Api.TimeInput, time?: Api.TimeInput): this {
    const isTime =
      typeof attributesOrTime !== 'object' || Array.isArray(attributesOrTime) || attributesOrTime instanceof Date
    const attributes = isTime ? {} : attributesOf(attributesOrTime)
    this.#addEvent({ name, time: timeOf(isTime ? attributesOrTime : time), attributes })
    return this
  }

  addLink(link: Api.Link): this {
    return this.addLinks([link])
  }

  addLinks(links: Api.Link[]): this {
    if (!this.#isEnded) this.#links.push(...links.map(linkOf))
    return this
  }

  setStatus({ code, message }: Api.SpanStatus): this {
    // "Ok" is final (OpenTelemetry specification, "Set Status").
    if (!this.#isEnded && this.#status.code !== 'ok') this.#status = { code: STATUS_CODES[code] ?? 'unset', message }
    return this
  }

  updateName(name: string): this {
    if (!this.#isEnded) this.#name = name
    return this
  }

  recordException(exception: Api.Exception, time?: Api.TimeInput): void {
    this.#addEvent(exceptionEvent(exception, timeOf(time)))
  }

  isRecording(): boolean {
    return !this.#isEnded && isSampled(this.#start.context)
  }

  end(time?: Api.TimeInput): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { tracing, context, parentSpanId, scope, options } = this.#start
    const endTime = Math.max(timeOf(time), this.#startTime)
    const isError = this.#status.code === 'error'
    if (!tracing.isWorth(context, { isError, durationMs: endTime - this.#startTime })) return
    tracing.record({
      ...{ name: this.#name, kind: KINDS[options.kind ?? 0] ?? 'internal', context, parentSpanId, scope },
      ...{ startTime: this.#startTime, endTime, attributes: this.#attributes },
      ...{ events: this.#events, links: this.#links, status: this.#status },
    })
  }

  #addEvent(event: SpanEvent): void {
    if (!this.#isEnded && this.#events.length < MAX_EVENTS) this.#events.push(event)
  }
}

/**
 * The result of `trace.getActiveSpan()` while no span of the user is active. It ends with the invocation, not before.
 */
export class InvocationApiSpan implements Api.Span {
  readonly #span: InvocationSpan

  constructor(span: InvocationSpan) {
    this.#span = span
  }

  spanContext(): Api.SpanContext {
    return toSpanContext(this.#span.context)
  }

  setAttribute(key: string, value: Api.AttributeValue): this {
    this.#span.setAttributes({ [key]: valueOf(value) })
    return this
  }

  setAttributes(attributes: Api.Attributes): this {
    this.#span.setAttributes(attributesOf(attributes))
    return this
  }

  addEvent(name: string, attributesOrTime?: Api.Attributes | Api.TimeInput): this {
    const isAttributes =
      typeof attributesOrTime === 'object' && !Array.isArray(attributesOrTime) && !(attributesOrTime instanceof Date)
    this.#span.addEvent(name, isAttributes ? attributesOf(attributesOrTime) : {})
    return this
  }

  addLink(): this {
    return this
  }

  addLinks(): this {
    return this
  }

  setStatus({ code }: Api.SpanStatus): this {
    this.#span.setError(STATUS_CODES[code] === 'error')
    return this
  }

  updateName(): this {
    return this
  }

  recordException(exception: Api.Exception): void {
    this.#span.addException(exception)
  }

  isRecording(): boolean {
    return this.#span.isRecorded
  }

  end(): void {}
}

export function toSpanContext({ traceId, spanId, flags, traceState }: TraceContext): Api.SpanContext {
  const state = traceState === undefined ? undefined : new PlainTraceState(traceState)
  return { traceId, spanId, traceFlags: flags & 1, ...(state !== undefined && { traceState: state }) }
}

export function fromSpanContext({ traceId, spanId, traceFlags, traceState }: Api.SpanContext): TraceContext {
  return { traceId, spanId, flags: traceFlags, traceState: traceState?.serialize() || undefined }
}

/** Entries of other systems: readable and passed on; what a function sets goes in front, as the standard asks. */
class PlainTraceState implements Api.TraceState {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  get(key: string): string | undefined {
    return this.#members()
      .find(member => member.startsWith(`${key}=`))
      ?.slice(key.length + 1)
  }

  set(key: string, value: string): Api.TraceState {
    return new PlainTraceState([`${key}=${value}`, ...this.#without(key)].join(','))
  }

  unset(key: string): Api.TraceState {
    return new PlainTraceState(this.#without(key).join(','))
  }

  serialize(): string {
    return this.#text
  }

  #members(): string[] {
    return this.#text === '' ? [] : this.#text.split(',')
  }

  #without(key: string): string[] {
    return this.#members().filter(member => !member.startsWith(`${key}=`))
  }
}

function linkOf({ context, attributes }: Api.Link): SpanLink {
  return { context: fromSpanContext(context), attributes: attributesOf(attributes) }
}

function attributesOf(attributes: Api.Attributes | undefined): Record<string, AttributeValue | undefined> {
  return Object.fromEntries(Object.entries(attributes ?? {}).map(([key, value]) => [key, valueOf(value)]))
}

function valueOf(value: Api.AttributeValue | undefined): Attributes[string] {
  if (Array.isArray(value)) return value.map(String)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined
}

/** Milliseconds since the epoch from what the API accepts: the same, `performance.now()`, a date, or `[s, ns]`. */
function timeOf(time: Api.TimeInput | undefined): number {
  if (time === undefined) return preciseNow()
  if (time instanceof Date) return time.getTime()
  if (Array.isArray(time)) return time[0] * 1e3 + time[1] / 1e6
  return time < performance.timeOrigin ? performance.timeOrigin + time : time
}
