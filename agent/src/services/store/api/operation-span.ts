/** The span of an operation (OpenTelemetry semantic conventions: HTTP server, database). A trigger is its child. */
import { isSampled, parseTraceContext, preciseNow, type TraceContext, type Tracing } from '@ryo-faas/runtime/telemetry'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Operation } from './operation-metrics.ts'

/** Invalid traces are ignored, as the standard asks. */
export function beginSpan(tracing: Tracing, request: FastifyRequest): void {
  const { traceparent, tracestate } = request.raw.headers
  if (traceparent === undefined && !tracing.isOn) return
  const parent =
    typeof traceparent === 'string' ? parseTraceContext(traceparent, tracestate as string | undefined) : undefined
  const trace = tracing.begin(parent)
  if (parent === undefined && !isSampled(trace)) return
  request.trace = trace
  request.parentSpanId = parent?.spanId
}

export function endSpan(
  tracing: Tracing,
  operation: Operation,
  { request, reply, durationMs }: { request: FastifyRequest; reply: FastifyReply; durationMs: number },
): void {
  // A stream of changes lasts as long as its listener.
  if (!tracing.isOn || operation === 'changes') return
  const { statusCode } = reply
  const isError = statusCode >= 500
  const context: TraceContext = request.trace ?? UNSAMPLED
  if (!tracing.isWorth(context, { isError, durationMs })) return
  const endTime = preciseNow()
  const { table, id } = request.params as { table?: string; id?: string }
  tracing.record({
    name: table === undefined ? operation : `${operation} ${table}`,
    kind: 'server',
    context: request.trace ?? tracing.begin(undefined),
    parentSpanId: request.parentSpanId,
    startTime: endTime - durationMs,
    endTime,
    attributes: {
      'db.system.name': 'ryo-faas',
      'db.operation.name': operation,
      'db.collection.name': table,
      'ryo_faas.document.id': id,
      'http.request.method': request.method,
      'http.route': request.routeOptions.url,
      'http.response.status_code': statusCode,
      'error.type': statusCode >= 400 ? String(statusCode) : undefined,
    },
    status: { code: isError ? 'error' : 'unset' },
  })
}

const UNSAMPLED: TraceContext = { traceId: '', spanId: '', flags: 0 }
