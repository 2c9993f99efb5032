import { z } from 'zod'

/** Rates are averages since the previous point. Percentiles are null if no call ended in that time. */
export const FunctionPoint = z.object({
  /** Milliseconds since the epoch. */
  t: z.number(),
  callsPerSecond: z.number(),
  /** Calls that the platform or the function failed. */
  errorsPerSecond: z.number(),
  /** Milliseconds; upper bounds, at most 9 % too high. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
  inflight: z.int(),
  /** Ready instances. */
  instances: z.int(),
  /** Instances that sleep. */
  frozen: z.int(),
  /** How many are to be ready; 0: it sleeps until it is called. */
  desired: z.int(),
  /** Instances that calls waited for, since the previous point. */
  coldStarts: z.int(),
  /** Asynchronous calls that are accepted but not final. */
  queueDepth: z.number(),
  /** Dead letters since the dispatcher started. */
  dead: z.number(),
})
export type FunctionPoint = z.infer<typeof FunctionPoint>

/** Sums over all functions, and what belongs to no single one. Null where the part did not report it. */
export const PlatformPoint = FunctionPoint.extend({
  storeOpsPerSecond: z.number().nullable(),
  /** Events that the store has written but the bus does not have yet. */
  relayLagEvents: z.number().nullable(),
  relayLagSeconds: z.number().nullable(),
  /** Document events that triggers have not finished. */
  triggerLagEvents: z.number().nullable(),
})
export type PlatformPoint = z.infer<typeof PlatformPoint>

export const MetricsHistory = z.object({
  /** Time between two points; older ones are further apart. */
  everyMs: z.number(),
  platform: z.array(PlatformPoint),
  functions: z.array(z.object({ name: z.string(), points: z.array(FunctionPoint) })),
})
export type MetricsHistory = z.infer<typeof MetricsHistory>

export const MetricsHistoryQuery = z.object({
  since: z.coerce.number().min(0).default(0).describe('Only points after this time, in milliseconds since the epoch'),
  function: z.string().optional().describe('Only this function, ignoring case'),
})
