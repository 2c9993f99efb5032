/**
 * A step of the agent's work as a span, through OpenTelemetry's API, which does nothing until an SDK is started (see
 * `agent-tracing.ts`).
 */
import { SpanStatusCode, trace, type Attributes } from '@opentelemetry/api'

export function traced<T>(name: string, attributes: Attributes, run: () => Promise<T>): Promise<T> {
  return trace.getTracer('ryo-faas').startActiveSpan(name, { attributes }, async span => {
    try {
      return await run()
    } catch (error) {
      span.recordException(error as Error)
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message })
      throw error
    } finally {
      span.end()
    }
  })
}
