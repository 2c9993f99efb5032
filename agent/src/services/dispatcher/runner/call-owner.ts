/** The owner of a call: the queue or the trigger that it came from, which its runner notifies. */
import type { AttemptEnd, CallState, Verdict } from '../../../calls/index.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherMetrics, TriggerLabel } from '../metrics.ts'
import type { DispatchedFunction } from '../options.ts'

export interface CallOwner {
  fn: DispatchedFunction
  /** An attempt ended. @returns how long the call waits if the function did not run. */
  attemptEnded(verdict: Verdict, end: AttemptEnd, durationMs: number): number
  callRetried(): void
  callDied(state: CallState): void
}

export interface CallOwnerOptions {
  fn: DispatchedFunction
  trigger: TriggerLabel
  metrics: DispatcherMetrics
  onEvent: OnEvent
  /** @returns how long a call waits if its function did not run. */
  waitAfter: (verdict: Verdict) => number
}

/** An owner that counts, and reports dead calls. */
export function countingOwner({ fn, trigger, metrics, onEvent, waitAfter }: CallOwnerOptions): CallOwner {
  return {
    fn,
    attemptEnded: (verdict, end, durationMs) => {
      metrics.attempt(fn.displayName, trigger, { verdict, end, durationMs })
      return waitAfter(verdict)
    },
    callRetried: () => metrics.retries.inc({ faas_name: fn.displayName }),
    callDied: ({ id: callId, error }) => {
      metrics.dead.inc({ faas_name: fn.displayName })
      onEvent({ type: 'call-dead', callId, code: error?.code ?? '', message: error?.message ?? '' })
    },
  }
}
