/** An asynchronous call as its caller sees it: what the proxy's calls API returns and its clients read. */
import { z } from 'zod'

export const CallStatus = z.enum(['queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled'])
export type CallStatus = z.infer<typeof CallStatus>

export const CallAttempt = z.object({
  /** Counts from 1 and continues after a redrive. */
  number: z.int().min(1),
  /** ISO times. */
  startedAt: z.string(),
  finishedAt: z.string().optional(),
  /** Status of the response, or an error code. Absent while it runs. */
  outcome: z.union([z.int(), z.string()]).optional(),
  retryAt: z.string().optional(),
  /** W3C trace context of its span, if recorded. */
  traceparent: z.string().optional(),
})
export type CallAttempt = z.infer<typeof CallAttempt>

export const CallError = z.object({ code: z.string(), message: z.string() })
export type CallError = z.infer<typeof CallError>

/** The function's response without its body. */
export const CallAnswer = z.object({
  status: z.int(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  bodyBytes: z.int().min(0),
  /** The body was too large to be kept: only its length is known. */
  tooLarge: z.literal(true).optional(),
})

export const CallView = z.object({
  id: z.string(),
  /** Route of the function. */
  function: z.string(),
  status: CallStatus,
  /** ISO times. */
  acceptedAt: z.string(),
  startedAt: z.string().optional(),
  finishedAt: z.string().optional(),
  attempts: z.array(CallAttempt),
  nextAttemptAt: z.string().optional(),
  callback: z
    .object({ url: z.string(), state: z.enum(['pending', 'delivered', 'failed']), attempts: z.int().min(0) })
    .optional(),
  error: CallError.optional(),
  result: CallAnswer.extend({
    /** Text if it is UTF-8, else base64; absent in lists and if it is long: see `href`. */
    body: z.string().optional(),
    encoding: z.enum(['utf8', 'base64']).optional(),
    /** Path of the response as the function returned it. */
    href: z.string(),
  }).optional(),
})
export type CallView = z.infer<typeof CallView>

export const CallPage = z.object({ calls: z.array(CallView), cursor: z.string().optional() })
export type CallPage = z.infer<typeof CallPage>
