/** The span of one attempt to deliver a result (OpenTelemetry semantic conventions: HTTP client spans). */
import { preciseNow, type TraceContext, type Tracing } from '@ryo-faas/runtime/telemetry'
import type { Callback } from './callback-message.ts'
import type { CallbackOutcome } from './callback-sender.ts'

export interface CallbackSpan {
  callId: string
  callback: Callback
  trace: TraceContext
  parent: TraceContext | undefined
  outcome: CallbackOutcome
  /** By `performance.now()`. */
  startedAt: number
}

export function recordCallback(tracing: Tracing, span: CallbackSpan): void {
  const { callId, callback, trace, parent, outcome } = span
  const durationMs = performance.now() - span.startedAt
  const isError = outcome.kind !== 'delivered'
  if (!tracing.isWorth(trace, { isError, durationMs })) return
  const endTime = preciseNow()
  const url = URL.canParse(callback.url) ? new URL(callback.url) : undefined
  tracing.record({
    name: 'POST callback',
    kind: 'client',
    context: trace,
    parentSpanId: parent?.spanId,
    startTime: endTime - durationMs,
    endTime,
    attributes: {
      'http.request.method': 'POST',
      'server.address': url?.hostname,
      'server.port': url?.port ? Number(url.port) : undefined,
      'url.path': url?.pathname,
      'faas.name': callback.functionName,
      'faas.invocation_id': callId,
      'messaging.message.id': callId,
      'error.type': isError ? outcome.kind : undefined,
    },
    status: isError ? { code: 'error', message: outcome.reason } : { code: 'unset' },
  })
}
