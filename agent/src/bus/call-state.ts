/** What is known of a call. */
import { z } from 'zod'

export const CallStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled'])
export type CallStatus = z.infer<typeof CallStatus>

/** A final status is left by a redrive alone. */
export function isFinal(status: CallStatus): boolean {
  return status !== 'queued' && status !== 'running'
}

export const CallAttempt = z.object({
  /** Counts from 1 and goes on counting after a redrive. */
  number: z.int().min(1),
  /** ISO times. */
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  /** Status of the answer, or the code of an error. Absent while it runs. */
  outcome: z.union([z.int(), z.string()]).optional(),
  retryAt: z.string().optional(),
  /** W3C trace context of its span, if that is recorded. */
  traceparent: z.string().optional(),
})
export type CallAttempt = z.infer<typeof CallAttempt>

export const CallResult = z.object({
  status: z.int(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  bodyBytes: z.int().min(0),
  /** Base64, up to `INLINE_RESULT_BYTES`. */
  body: z.string().optional(),
  /** Where the body is if it is longer. */
  bodyRef: z.string().optional(),
})
export type CallResult = z.infer<typeof CallResult>

export const INLINE_RESULT_BYTES = 256 * 1024

export const CallState = z.object({
  id: z.string(),
  /** Route of the function. */
  function: z.string(),
  /** `queued` is stored only after a redrive: a call that waits for its first attempt has no state. */
  status: CallStatus,
  /** ISO times. */
  acceptedAt: z.string(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  attempts: z.array(CallAttempt),
  /** How many of `attempts` were made before the last redrive and do not count against the limit. */
  attemptsBefore: z.int().min(0).default(0),
  nextAttemptAt: z.string().optional(),
  callback: z
    .object({ url: z.string(), state: z.enum(['pending', 'delivered', 'failed']), attempts: z.int().min(0) })
    .optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
  result: CallResult.optional(),
})
export type CallState = z.infer<typeof CallState>
