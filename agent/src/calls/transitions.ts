/**
 * How the state of a call changes: pure functions from one state to the next.
 *
 * Invariants: 1. Attempts are numbered without gaps. One that the platform itself broke off is an interruption: its
 * dispatcher died (it started and never ended) or its proxy did. Interruptions say nothing about the call and do not
 * count against its attempts; they have a limit of their own, so that a call that kills dispatchers cannot do so
 * forever. An instance that dies while it runs the call is an attempt: the call may be why. 2. Each may be applied to a
 * state that another dispatcher has changed since: it changes only its own attempt, unless that ends the call.
 */
import type { AsyncPolicy, CallAttempt, CallError } from '../contract/index.ts'
import { backoffMs } from '../host/index.ts'
import type { CallResult, CallState } from './call-state.ts'
import { LONGEST_WAIT_MS, PROXY_LOST, type Verdict } from './verdict.ts'

const INTERRUPTED = 'INTERRUPTED'

/** A call that was delivered before and left no state: each of those attempts broke off at its very start. */
export function beforeFirstState(state: CallState, deliveries: number): CallState {
  const { acceptedAt: time } = state
  const attempts = Array.from({ length: deliveries - 1 }, (_, index) => ({
    number: index + 1,
    startedAt: time,
    finishedAt: time,
    outcome: INTERRUPTED,
  }))
  return { ...state, attempts }
}

/** A cancelled call, with the attempt that this broke off if it is not recorded yet. */
export function withBrokenOff(cancelled: CallState, { attempts }: CallState): CallState {
  if (cancelled.attempts.length >= attempts.length) return cancelled
  const finishedAt = cancelled.finishedAt ?? cancelled.acceptedAt
  return { ...cancelled, attempts: attempts.map(attempt => ({ ...attempt, finishedAt, outcome: 'CANCELLED' })) }
}

/** Time until the next attempt. A wait longer than was ever planned is over: the clock was set back. */
export function earlyMs({ nextAttemptAt, attempts }: CallState, now: number): number {
  if (nextAttemptAt === undefined) return 0
  const at = Date.parse(nextAttemptAt)
  const pausedAt = Date.parse(attempts.at(-1)?.finishedAt ?? '')
  const leftMs = at - now
  return leftMs > at - pausedAt ? 0 : Math.max(0, leftMs)
}

/** The dead call, if it has had `limit` interruptions in this round. */
export function deadByInterruptions(state: CallState, limit: number, now: number): CallState | undefined {
  const interrupted = state.attempts.slice(state.attemptsBefore).filter(isInterruption).length
  if (interrupted < limit) return undefined
  const message = `interrupted ${interrupted} times: each time a part of the platform died or was stopped while it ran`
  const error = { code: INTERRUPTED, message }
  return final(state, 'dead', { error, result: undefined, now })
}

export function beginAttempt(state: CallState, now: number): CallState {
  const { nextAttemptAt: _, ...rest } = state
  const attempts = state.attempts.map(attempt => (isOpen(attempt) ? closed(attempt, now, INTERRUPTED) : attempt))
  const startedAt = iso(now)
  return {
    ...rest,
    status: 'running',
    startedAt: state.startedAt ?? startedAt,
    attempts: [...attempts, { number: (attempts.at(-1)?.number ?? 0) + 1, startedAt }],
  }
}

export interface EndedAttempt {
  number: number
  /** Status of the answer or code of an error. */
  outcome: number | string
  verdict: Verdict
  result: CallResult | undefined
  /** Of the attempt's span, if that is recorded. */
  traceparent?: string | undefined
  /** What went wrong although the call succeeded. */
  remark?: CallError | undefined
}

export interface Rules {
  policy: AsyncPolicy
  unavailableMs: number
  /** How long an unavailable function is left alone. */
  pauseMs: number
  now: number
  /** From 0 to 1. */
  random: number
}

export interface Ended {
  state: CallState
  /** When to retry the call; undefined if it is over, or another attempt is already running. */
  delayMs?: number
}

export function endAttempt(state: CallState, ended: EndedAttempt, rules: Rules): Ended {
  const { now } = rules
  const attempts = state.attempts.map(attempt =>
    attempt.number === ended.number
      ? {
          ...closed(attempt, now, ended.outcome),
          ...(ended.traceparent !== undefined && { traceparent: ended.traceparent }),
        }
      : attempt,
  )
  const next: CallState = { ...state, attempts }
  const { verdict } = ended
  if (verdict.kind === 'succeeded') return { state: final(next, 'succeeded', { ...ended, error: ended.remark, now }) }
  if (verdict.kind === 'failed') return { state: final(next, 'failed', { ...ended, error: verdict.error, now }) }
  if (attempts.at(-1)?.number !== ended.number) return { state: next }
  const counted = attempts.slice(state.attemptsBefore).filter(attempt => !isInterruption(attempt)).length
  if (
    verdict.kind === 'overloaded' ||
    (verdict.kind === 'unavailable' && now - waitsSince(state) < rules.unavailableMs)
  ) {
    const least = verdict.kind === 'overloaded' ? verdict.retryAfterMs : 0
    const delayMs = Math.max(least, rules.pauseMs) * (1 + rules.random / 2)
    // As if there had been no attempt: the function did not run.
    const before = attempts.slice(0, -1)
    return { delayMs, state: { ...next, attempts: before, nextAttemptAt: iso(now + delayMs), error: verdict.error } }
  }
  const isInterrupted = ended.outcome === PROXY_LOST
  if (!isInterrupted && counted >= rules.policy.attempts) {
    return { state: final(next, 'dead', { ...ended, error: verdict.error, now }) }
  }
  const least = verdict.kind === 'retry' ? verdict.retryAfterMs : 0
  // An interruption does not make the next one likelier; while the proxy is away, nothing is tried.
  const failures = isInterrupted ? 1 : counted
  const wait = { firstMs: rules.policy.backoffMs, mostMs: LONGEST_WAIT_MS }
  const delayMs = Math.max(least, backoffMs(wait, failures, rules.random))
  const retryAt = iso(now + delayMs)
  const last = { ...attempts.at(-1)!, retryAt }
  return { delayMs, state: { ...next, attempts: [...attempts.slice(0, -1), last], nextAttemptAt: retryAt } }
}

/** The end of a call that cannot be run at all. */
export function failUnrun(state: CallState, error: CallError, now: number): CallState {
  return final(state, 'failed', { error, result: undefined, now })
}

function final(
  state: CallState,
  status: 'succeeded' | 'failed' | 'dead',
  end: { error: CallError | undefined; result: CallResult | undefined; now: number },
): CallState {
  const { nextAttemptAt: _n, error: _e, result: _r, ...rest } = state
  return {
    ...rest,
    status,
    finishedAt: iso(end.now),
    // A dispatcher that was thought dead may still run an attempt: it finds the call final.
    attempts: state.attempts.map(attempt => (isOpen(attempt) ? closed(attempt, end.now, INTERRUPTED) : attempt)),
    ...(end.error !== undefined && { error: end.error }),
    ...(end.result !== undefined && { result: end.result }),
  }
}

/** Since when the function has not run for this call although it should have. */
function waitsSince({ attempts, attemptsBefore, startedAt, acceptedAt }: CallState): number {
  const last = attempts.slice(attemptsBefore, -1).at(-1)
  return Date.parse(last?.retryAt ?? last?.finishedAt ?? startedAt ?? acceptedAt)
}

function isInterruption(attempt: CallAttempt): boolean {
  return isOpen(attempt) || attempt.outcome === INTERRUPTED || attempt.outcome === PROXY_LOST
}

function isOpen(attempt: CallAttempt): boolean {
  return attempt.finishedAt === undefined
}

function closed(attempt: CallAttempt, now: number, outcome: number | string): CallAttempt {
  return { ...attempt, finishedAt: iso(now), outcome }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}
