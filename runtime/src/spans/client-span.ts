/**
 * A request that an invocation sends, with any client: it carries the W3C trace context and the baggage, and becomes a
 * span (OpenTelemetry semantic conventions: HTTP client). A `traceparent` set by the user is left alone.
 */
import type { RunningInvocation } from '../context.ts'
import { FUNCTIONS_PREFIX } from '../protocol/index.ts'
import { formatTraceParent, monotonicNow, preciseNow, type Attributes, type TraceContext } from '../telemetry/index.ts'

/** Undefined if the bridge to OpenTelemetry's API is not in use: see `otel-bridge.ts`. */
export const active: { context: (() => TraceContext | undefined) | undefined; baggage: (() => string) | undefined } = {
  context: undefined,
  baggage: undefined,
}

/** Headers of a request that is not sent yet; lower-case names. */
export interface OutgoingHeaders {
  has(name: string): boolean
  set(name: string, value: string): void
}

export type Outcome = { readonly status: number } | { readonly error: unknown }

export class ClientSpan {
  readonly #invocation: RunningInvocation
  readonly #parent: TraceContext
  readonly #context: TraceContext
  readonly #startedAt = monotonicNow()

  private constructor(invocation: RunningInvocation) {
    this.#invocation = invocation
    this.#parent = active.context?.() ?? invocation.span.context
    this.#context = invocation.span.tracing.begin(this.#parent)
  }

  /** Undefined, with nothing set, if the request already has a `traceparent`. */
  static begin(invocation: RunningInvocation, headers: OutgoingHeaders): ClientSpan | undefined {
    if (headers.has('traceparent')) return undefined
    const span = new ClientSpan(invocation)
    headers.set('traceparent', span.traceParent)
    if (span.#context.traceState !== undefined) headers.set('tracestate', span.#context.traceState)
    const baggage = active.baggage?.() ?? invocation.headers['baggage']
    if (typeof baggage === 'string' && baggage !== '' && !headers.has('baggage')) headers.set('baggage', baggage)
    return span
  }

  get traceParent(): string {
    return formatTraceParent(this.#context)
  }

  /** @param request called only if the span is recorded */
  end(outcome: Outcome, request: () => { method: string; url: string }): void {
    const { tracing } = this.#invocation.span
    const durationMs = monotonicNow() - this.#startedAt
    const isError = 'error' in outcome || outcome.status >= 500
    if (!tracing.isWorth(this.#context, { isError, durationMs })) return
    const endTime = preciseNow()
    const { method, url } = request()
    const { name, attributes } = describe(method, url, this.#invocation)
    tracing.record({
      ...{ name, kind: 'client', context: this.#context, parentSpanId: this.#parent.spanId },
      ...{ startTime: endTime - durationMs, endTime },
      attributes: {
        ...attributes,
        'http.request.method': method,
        ...('error' in outcome
          ? { 'error.type': (outcome.error as Error)?.name ?? 'error' }
          : {
              'http.response.status_code': outcome.status,
              'error.type': outcome.status >= 400 ? String(outcome.status) : undefined,
            }),
      },
      status: isError
        ? { code: 'error', message: 'error' in outcome ? (outcome.error as Error)?.message : undefined }
        : { code: 'unset' },
    })
  }
}

/** @returns name and attributes of the request; query and user info of its URL are left out: they may be secrets */
function describe(method: string, text: string, { proxyUrl, storeUrl }: RunningInvocation): Described {
  if (!URL.canParse(text)) return { name: method, attributes: {} }
  const url = new URL(text)
  const attributes = {
    'url.full': `${url.origin}${url.pathname}`,
    'server.address': url.hostname,
    'server.port': url.port === '' ? undefined : Number(url.port),
  }
  if (proxyUrl !== undefined && url.origin === new URL(proxyUrl).origin && url.pathname.startsWith(FUNCTIONS_PREFIX)) {
    const [invoked] = url.pathname.slice(FUNCTIONS_PREFIX.length).split('/')
    return {
      name: `call ${invoked}`,
      attributes: { ...attributes, 'faas.invoked_name': invoked, 'faas.invoked_provider': 'ryo-faas' },
    }
  }
  if (storeUrl !== undefined && url.origin === new URL(storeUrl).origin) {
    return { name: `store ${method}`, attributes: { ...attributes, 'db.system.name': 'ryo-faas' } }
  }
  return { name: method, attributes }
}

interface Described {
  name: string
  attributes: Attributes
}
