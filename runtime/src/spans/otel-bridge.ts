/**
 * Lets a function's own spans join in: its copy of `@opentelemetry/api` gets a tracer provider, context manager and
 * propagator from us. The builder calls this where that package is imported (`otel-plugin.ts` of the agent), so that a
 * function without it pays nothing. The SDK, ten times the size of a small function, is not needed.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type * as Api from '@opentelemetry/api'
import { running, type RunningInvocation } from '../context.ts'
import { formatTraceParent, parseTraceContext, Tracing, type TraceContext } from '../telemetry/index.ts'
import { ApiSpan, fromSpanContext, InvocationApiSpan, toSpanContext } from './api-span.ts'
import { formatBaggage, parseBaggage } from './baggage.ts'
import { active } from './client-span.ts'

type OpenTelemetry = typeof Api

const OFF = new Tracing({ settings: undefined, resource: {} })

/** An SDK that the function has registered first is kept. */
export function bridgeOpenTelemetry(api: OpenTelemetry): void {
  const contexts = new ContextManager(api)
  if (!api.context.setGlobalContextManager(contexts)) return
  api.trace.setGlobalTracerProvider({
    getTracer: (name, version) => new Tracer(api, { name: name || 'unnamed', version }),
  })
  api.propagation.setGlobalPropagator(new Propagator(api))
  active.context = () => {
    const context = api.trace.getSpanContext(api.context.active())
    return context && api.isSpanContextValid(context) ? fromSpanContext(context) : undefined
  }
  active.baggage = () => formatBaggage(api.propagation.getBaggage(api.context.active()))
}

class ContextManager implements Api.ContextManager {
  readonly #api: OpenTelemetry
  readonly #contexts = new AsyncLocalStorage<{ context: Api.Context; invocation: RunningInvocation | undefined }>()
  readonly #roots = new WeakMap<RunningInvocation, Api.Context>()

  constructor(api: OpenTelemetry) {
    this.#api = api
  }

  active(): Api.Context {
    const invocation = running.getStore()
    const entered = this.#contexts.getStore()
    // Ignore a context entered while the module loaded, or by another invocation.
    if (entered !== undefined && entered.invocation === invocation) return entered.context
    return invocation === undefined ? this.#api.ROOT_CONTEXT : this.#rootOf(invocation)
  }

  /** The interface has four parameters. */
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    context: Api.Context,
    run: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    const entry = { context, invocation: running.getStore() }
    return this.#contexts.run(entry, run.bind(self as ThisParameterType<F>) as never, ...args)
  }

  bind<T>(context: Api.Context, target: T): T {
    if (typeof target !== 'function') return target
    const run = target as unknown as (...args: unknown[]) => unknown
    const bound = (...args: unknown[]) => this.with(context, () => run(...args))
    return bound as unknown as T
  }

  enable(): this {
    return this
  }

  disable(): this {
    this.#contexts.disable()
    return this
  }

  #rootOf(invocation: RunningInvocation): Api.Context {
    const known = this.#roots.get(invocation)
    if (known !== undefined) return known
    const api = this.#api
    let context = api.trace.setSpan(api.ROOT_CONTEXT, new InvocationApiSpan(invocation.span))
    const { baggage } = invocation.headers
    if (typeof baggage === 'string') context = api.propagation.setBaggage(context, parseBaggage(api, baggage))
    this.#roots.set(invocation, context)
    return context
  }
}

class Tracer implements Api.Tracer {
  readonly #api: OpenTelemetry
  readonly #scope: { name: string; version: string | undefined }

  constructor(api: OpenTelemetry, scope: { name: string; version: string | undefined }) {
    this.#api = api
    this.#scope = scope
  }

  startSpan(name: string, options: Api.SpanOptions = {}, within: Api.Context = this.#api.context.active()): Api.Span {
    const tracing = running.getStore()?.span.tracing ?? OFF
    const given = options.root === true ? undefined : this.#api.trace.getSpanContext(within)
    const parent = given && this.#api.isSpanContextValid(given) ? fromSpanContext(given) : undefined
    const context = tracing.begin(parent)
    return new ApiSpan({ tracing, name, context, parentSpanId: parent?.spanId, scope: this.#scope, options })
  }

  startActiveSpan<F extends (span: Api.Span) => unknown>(
    name: string,
    ...rest: [F] | [Api.SpanOptions, F] | [Api.SpanOptions, Api.Context, F]
  ): ReturnType<F> {
    const run = rest.at(-1) as F
    const options = rest.length > 1 ? (rest[0] as Api.SpanOptions) : {}
    const within = rest.length > 2 ? (rest[1] as Api.Context) : this.#api.context.active()
    const span = this.startSpan(name, options, within)
    return this.#api.context.with(this.#api.trace.setSpan(within, span), () => run(span)) as ReturnType<F>
  }
}

class Propagator implements Api.TextMapPropagator {
  readonly #api: OpenTelemetry

  constructor(api: OpenTelemetry) {
    this.#api = api
  }

  inject(context: Api.Context, carrier: unknown, setter: Api.TextMapSetter): void {
    const span = this.#api.trace.getSpanContext(context)
    if (span !== undefined && this.#api.isSpanContextValid(span)) {
      const { traceState, ...trace } = fromSpanContext(span)
      setter.set(carrier, 'traceparent', formatTraceParent(trace))
      if (traceState !== undefined) setter.set(carrier, 'tracestate', traceState)
    }
    const baggage = formatBaggage(this.#api.propagation.getBaggage(context))
    if (baggage !== '') setter.set(carrier, 'baggage', baggage)
  }

  extract(context: Api.Context, carrier: unknown, getter: Api.TextMapGetter): Api.Context {
    const text = (name: string): string | undefined => [getter.get(carrier, name) ?? []].flat().join(',') || undefined
    const trace: TraceContext | undefined = parseTraceContext(text('traceparent'), text('tracestate'))
    const baggage = text('baggage')
    let extracted = context
    if (trace !== undefined) {
      extracted = this.#api.trace.setSpanContext(extracted, { ...toSpanContext(trace), isRemote: true })
    }
    if (baggage !== undefined) extracted = this.#api.propagation.setBaggage(extracted, parseBaggage(this.#api, baggage))
    return extracted
  }

  fields(): string[] {
    return ['traceparent', 'tracestate', 'baggage']
  }
}
