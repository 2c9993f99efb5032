import { z } from 'zod'

export const SpanKind = z.enum(['internal', 'server', 'client', 'producer', 'consumer'])
export type SpanKind = z.infer<typeof SpanKind>

const scalar = z.union([z.string(), z.number(), z.boolean()])
/** Values as OpenTelemetry defines them; bytes are base64, maps are JSON text. */
export const Attributes = z.record(z.string(), z.union([scalar, z.array(scalar)]))
export type Attributes = z.infer<typeof Attributes>

export const SpanEvent = z.object({
  name: z.string(),
  /** Milliseconds after the start of the trace. */
  atMs: z.number(),
  attributes: Attributes,
})
export type SpanEvent = z.infer<typeof SpanEvent>

export const SpanLink = z.object({ traceId: z.string(), spanId: z.string(), attributes: Attributes })
export type SpanLink = z.infer<typeof SpanLink>

export const SpanView = z.object({
  spanId: z.string(),
  /**
   * Absent at the root. The parent need not be in the trace: an outside caller may own it, or it has not arrived yet.
   */
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: SpanKind,
  /** `service.name` of the sender. */
  service: z.string(),
  /** Milliseconds after the start of the trace. */
  startMs: z.number(),
  durationMs: z.number(),
  status: z.enum(['unset', 'ok', 'error']),
  statusMessage: z.string().optional(),
  attributes: Attributes,
  events: z.array(SpanEvent),
  links: z.array(SpanLink),
})
export type SpanView = z.infer<typeof SpanView>

export const TraceSummary = z.object({
  /** 32 hexadecimal digits. */
  traceId: z.string(),
  /** Name of its root: the span without a parent, else the one that started first. */
  name: z.string(),
  rootService: z.string(),
  /** The first function it went through, by the name it was deployed under. */
  function: z.string().optional(),
  /** ISO 8601. */
  startedAt: z.string(),
  /** From the start of its first span to the end of its last. */
  durationMs: z.number(),
  /** `error` if a span failed; a span of kind client or producer counts only if it is the root. */
  status: z.enum(['ok', 'error']),
  /** How many there were; the store is bounded and may have kept fewer. */
  spans: z.int(),
  /** Id of the first asynchronous call in it. */
  callId: z.string().optional(),
})
export type TraceSummary = z.infer<typeof TraceSummary>

export const TraceView = TraceSummary.extend({
  /** By start. */
  spans: z.array(SpanView),
  /** Spans dropped because the trace was full. */
  droppedSpans: z.int(),
})
export type TraceView = z.infer<typeof TraceView>

export const TraceQuery = z.object({
  function: z.string().min(1).optional().describe('Only traces through this function, ignoring case'),
  status: z.enum(['ok', 'error']).optional(),
  minDurationMs: z.coerce.number().min(0).optional(),
  maxDurationMs: z.coerce.number().min(0).optional(),
  callId: z.string().min(1).optional().describe('Id of an asynchronous call'),
  attribute: z
    .string()
    .regex(/^[^=]+=/, 'must be key=value')
    .optional()
    .describe('key=value: at least one span has this attribute'),
  since: z.iso.datetime({ offset: true }).optional().describe('Started at this time or later'),
  until: z.iso.datetime({ offset: true }).optional().describe('Started before this time'),
  order: z.enum(['newest', 'slowest']).default('newest'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: z.string().optional().describe('Cursor from the previous page'),
})
export type TraceQuery = z.output<typeof TraceQuery>

export const TracePage = z.object({
  traces: z.array(TraceSummary),
  /** For the next page; absent at the end. */
  cursor: z.string().optional(),
})
export type TracePage = z.infer<typeof TracePage>
