/** The state of a call: what its caller sees, and what only the platform needs. */
import { z } from 'zod'
import { CallAnswer, CallView, type CallStatus } from '../contract/index.ts'

/** Only a redrive leaves a final status. */
export function isFinal(status: CallStatus): boolean {
  return status !== 'queued' && status !== 'running'
}

export const CallResult = CallAnswer.extend({
  /** Base64, up to `INLINE_RESULT_BYTES`. */
  body: z.string().optional(),
  /** Where a longer body is. */
  bodyRef: z.string().optional(),
})
export type CallResult = z.infer<typeof CallResult>

export const INLINE_RESULT_BYTES = 256 * 1024

/** Its status is `queued` only after a redrive: a call that waits for its first attempt has no state. */
export const CallState = CallView.extend({
  /** How many of `attempts` precede the last redrive and do not count against the limit. */
  attemptsBefore: z.int().min(0).default(0),
  result: CallResult.optional(),
})
export type CallState = z.infer<typeof CallState>
