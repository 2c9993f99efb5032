/**
 * `fetch` as part of the running invocation: the request carries the W3C trace context, and its baggage, and is a span
 * (OpenTelemetry semantic conventions: HTTP client). Outside an invocation it is `fetch` as it was; whoever sets
 * `traceparent` himself is left alone.
 */
import { running, type RunningInvocation } from '../context.ts'
import { FUNCTIONS_PREFIX } from '../protocol/index.ts'
import { formatTraceParent, preciseNow, type Attributes, type TraceContext } from '../telemetry/index.ts'

/** Undefined where the bridge to OpenTelemetry's API is not in use: see `otel-bridge.ts`. */
export const active: { context: (() => TraceContext | undefined) | undefined; baggage: (() => string) | undefined } = {
  context: undefined,
  baggage: undefined,
}

const plainFetch = globalThis.fetch

export const tracedFetch: typeof fetch = (input, init) => {
  const invocation = running.getStore()
  if (invocation === undefined) return plainFetch(input, init)
  const headers = new Headers(init?.headers ?? (isRequest(input) ? input.headers : undefined))
  if (headers.has('traceparent')) return plainFetch(input, init)
  return trace(invocation, { input, init, headers })
}

async function trace(
  invocation: RunningInvocation,
  { input, init, headers }: { input: Parameters<typeof fetch>[0]; init: RequestInit | undefined; headers: Headers },
): Promise<Response> {
  const { tracing } = invocation.span
  const parent = active.context?.() ?? invocation.span.context
  const context = tracing.begin(parent)
  headers.set('traceparent', formatTraceParent(context))
  if (context.traceState !== undefined) headers.set('tracestate', context.traceState)
  const baggage = active.baggage?.() ?? invocation.headers['baggage']
  if (typeof baggage === 'string' && baggage !== '' && !headers.has('baggage')) headers.set('baggage', baggage)
  const startedAt = performance.now()
  const end = (outcome: { status: number } | { error: unknown }): void => {
    const durationMs = performance.now() - startedAt
    const isError = 'error' in outcome || outcome.status >= 500
    if (!tracing.isWorth(context, { isError, durationMs })) return
    const endTime = preciseNow()
    const method = init?.method ?? (isRequest(input) ? input.method : 'GET')
    const { name, attributes } = describe(method, isRequest(input) ? input.url : String(input), invocation)
    tracing.record({
      ...{ name, kind: 'client', context, parentSpanId: parent.spanId },
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
  try {
    const response = await plainFetch(input, { ...init, headers })
    end({ status: response.status })
    return response
  } catch (error) {
    end({ error })
    throw error
  }
}

/** @returns name and attributes of the request; query and user info of its URL may be secrets and are left out */
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

function isRequest(input: Parameters<typeof fetch>[0]): input is Request {
  return typeof input === 'object' && !(input instanceof URL)
}
