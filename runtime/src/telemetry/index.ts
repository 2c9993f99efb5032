/** Telemetry shared by all parts of the platform: trace contexts, spans without an SDK, the exporter. */
export { IdSource, isRequestId } from './ids.ts'
export { monotonicNow } from './monotonic-now.ts'
export { encodeSpans } from './otlp-json.ts'
export { SpanExporter, type ExporterFigures, type ExporterOptions } from './exporter.ts'
export { Sampler, type SamplerOptions } from './sampler.ts'
export {
  exceptionEvent,
  preciseNow,
  type Attributes,
  type AttributeValue,
  type Span,
  type SpanEvent,
  type SpanKind,
  type SpanLink,
  type SpanStatus,
} from './span.ts'
export {
  formatTraceParent,
  isSampled,
  parseTraceContext,
  parseTraceState,
  SAMPLED,
  type TraceContext,
} from './trace-context.ts'
export { Tracing, type TracingOptions, type TracingSettings } from './tracing.ts'
