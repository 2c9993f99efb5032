/**
 * The span of a request for a function (OpenTelemetry semantic conventions: HTTP server spans, FaaS). What the proxy
 * has sent to the instance, or put into the queue, is its child.
 */
import {
  isSampled,
  preciseNow,
  type Attributes,
  type Span,
  type TraceContext,
  type Tracing,
} from '@ryo-faas/runtime/telemetry'
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import type { Call } from './call.ts'
import { clientAddress } from './request-head.ts'

export interface CallEnd {
  /** 0 if the client left before there was an answer. */
  status: number
  errorCode: string | undefined
  durationMs: number
  /** Id of the instance that answered. */
  instance: string | undefined
  attributes?: Attributes | undefined
}

export function recordCall(tracing: Tracing, call: Call, end: CallEnd): void {
  const { status, errorCode, durationMs } = end
  // A client that leaves has not met an error.
  const isError = status >= 500 || (errorCode !== undefined && status >= 400 && errorCode !== 'CLIENT_ABORTED')
  if (tracing.isWorth(call.head.trace, { isError, durationMs })) tracing.record(callSpan(call, end))
}

function callSpan({ request, head, entry, path, route: pattern }: Call, end: CallEnd): Span {
  const { status, errorCode, durationMs } = end
  const endTime = preciseNow()
  const method = request.method!
  const query = path.indexOf('?')
  const route = pattern ?? FUNCTIONS_PREFIX + entry.name
  const prefix = pattern === undefined ? route : ''
  return {
    name: `${method} ${route}`,
    kind: 'server',
    context: head.trace,
    parentSpanId: head.parentSpanId,
    startTime: endTime - durationMs,
    endTime,
    attributes: {
      'http.request.method': method,
      'http.route': route,
      // Without the query, which may contain secrets.
      'url.path': prefix + (query < 0 ? path : path.slice(0, query)),
      'url.scheme': 'http',
      'http.response.status_code': status === 0 ? undefined : status,
      'error.type': errorCode ?? (status >= 500 ? String(status) : undefined),
      'client.address': clientAddress(request),
      'faas.name': entry.route.displayName,
      'faas.trigger': 'http',
      'faas.instance': end.instance,
      'ryo_faas.request_id': head.requestId,
      ...end.attributes,
    },
    status: status >= 500 ? { code: 'error', message: errorCode } : { code: 'unset' },
  }
}

export interface Acceptance extends CallEnd {
  /** Context of the parent span of the call's attempts. */
  producer: TraceContext
  /** Undefined if it was not accepted. */
  callId: string | undefined
}

/** The request that was accepted, and the message that it became (semantic conventions: messaging, `send`). */
export function recordAcceptance(tracing: Tracing, call: Call, end: Acceptance): void {
  const { producer, callId } = end
  recordCall(tracing, call, {
    ...end,
    attributes: { 'faas.invocation_id': callId, 'faas.trigger': 'pubsub', 'ryo_faas.is_async': true },
  })
  if (callId === undefined || !isSampled(producer)) return
  const endTime = preciseNow()
  const { name } = call.entry
  tracing.record({
    name: `send ${name}`,
    kind: 'producer',
    context: producer,
    parentSpanId: call.head.trace.spanId,
    startTime: endTime - end.durationMs,
    endTime,
    attributes: {
      'messaging.system': 'nats',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': name,
      'messaging.message.id': callId,
      'faas.invocation_id': callId,
      'faas.invoked_name': call.entry.route.displayName,
    },
  })
}
