/**
 * The span of an attempt (OpenTelemetry semantic conventions: messaging, `process`; FaaS). It is a child of the message
 * that was sent, and links to it as well: acceptance and run may be hours apart.
 */
import { EVENTS_PREFIX } from '@ryo-faas/runtime/protocol'
import {
  parseTraceContext,
  preciseNow,
  type Attributes,
  type SpanStatus,
  type TraceContext,
  type Tracing,
} from '@ryo-faas/runtime/telemetry'
import { platformCodeOf, type AttemptEnd, type CallHead } from '../../../calls/index.ts'
import type { DispatchedFunction } from '../options.ts'

export interface AttemptSpan {
  fn: DispatchedFunction
  callId: string
  number: number
  head: CallHead
  trace: TraceContext
  end: AttemptEnd
  /** By `performance.now()`. */
  startedAt: number
}

export function recordAttempt(tracing: Tracing, attempt: AttemptSpan): void {
  const { fn, callId, number, head, trace, end } = attempt
  const durationMs = performance.now() - attempt.startedAt
  const errorType = errorTypeOf(end)
  if (!tracing.isWorth(trace, { isError: errorType !== undefined, durationMs })) return
  const endTime = preciseNow()
  const parent = parseTraceContext(head.traceparent, head.tracestate)
  const isEvent = head.path.startsWith(EVENTS_PREFIX)
  const status: SpanStatus = errorType === undefined ? { code: 'unset' } : { code: 'error', message: errorType }
  tracing.record({
    name: `process ${fn.route}`,
    kind: 'consumer',
    context: trace,
    parentSpanId: parent?.spanId,
    startTime: endTime - durationMs,
    endTime,
    attributes: {
      'messaging.system': 'nats',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': fn.route,
      'messaging.message.id': callId,
      'faas.name': fn.displayName,
      'faas.trigger': head.trigger ?? (isEvent ? 'datasource' : 'pubsub'),
      'faas.invocation_id': callId,
      'ryo_faas.call.attempt': number,
      'ryo_faas.request_id': head.requestId,
      'http.response.status_code': end.kind === 'answer' ? end.status : undefined,
      'error.type': errorType,
      ...(isEvent && eventAttributes(head)),
    },
    links: parent === undefined ? [] : [{ context: parent, attributes: { 'messaging.message.id': callId } }],
    status,
  })
}

function errorTypeOf(end: AttemptEnd): string | undefined {
  switch (end.kind) {
    case 'answer':
      return platformCodeOf(end) ?? (end.status >= 500 ? String(end.status) : undefined)
    case 'lost':
      return end.code
    default:
      return end.kind
  }
}

function eventAttributes({ path, acceptedAt }: CallHead): Attributes {
  return {
    'faas.document.time': acceptedAt,
    'ryo_faas.handler': path.slice(EVENTS_PREFIX.length),
  }
}
