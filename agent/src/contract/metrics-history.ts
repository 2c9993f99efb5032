import { z } from 'zod'

/** Rates are means over the time since the point before. Percentiles are null if nothing ended in it. */
export const FunctionPoint = z.object({
  /** Milliseconds since the epoch. */
  t: z.number(),
  callsPerSecond: z.number(),
  /** Calls that the platform or the function failed. */
  errorsPerSecond: z.number(),
  /** Milliseconds; upper bounds that are at most 9 % too high. */
  p50: z.number().nullable(),
  p95: z.number().nullable(),
  p99: z.number().nullable(),
  inflight: z.int(),
  /** Ready ones. */
  instances: z.int(),
  /** Asynchronous calls that are accepted and not final. */
  queueDepth: z.number(),
  /** Dead letters since the dispatcher started. */
  dead: z.number(),
})
export type FunctionPoint = z.infer<typeof FunctionPoint>

/** The sums over all functions, and what belongs to none. Null where the part did not say. */
export const PlatformPoint = FunctionPoint.extend({
  /** Instances that became ready since the point before. */
  coldStarts: z.int(),
  storeOpsPerSecond: z.number().nullable(),
  /** Events that the store has written and the bus does not have. */
  relayLagEvents: z.number().nullable(),
  relayLagSeconds: z.number().nullable(),
  /** Document events that triggers have not finished. */
  triggerLagEvents: z.number().nullable(),
})
export type PlatformPoint = z.infer<typeof PlatformPoint>

export const MetricsHistory = z.object({
  /** Time between two points; further back they lie further apart. */
  everyMs: z.number(),
  platform: z.array(PlatformPoint),
  functions: z.array(z.object({ name: z.string(), points: z.array(FunctionPoint) })),
})
export type MetricsHistory = z.infer<typeof MetricsHistory>

export const MetricsHistoryQuery = z.object({
  since: z.coerce.number().min(0).default(0).describe('Only points after this time, in milliseconds since the epoch'),
  function: z.string().optional().describe('Only this function; case does not matter'),
})
