/**
 * A step of the agent's work as a span, by OpenTelemetry's API: nothing happens as long as no SDK was started (see
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
