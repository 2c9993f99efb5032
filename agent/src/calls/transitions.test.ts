import { expect, it } from 'vitest'
import type { CallState } from './call-state.ts'
import { queuedState } from './call-view.ts'
import { beginAttempt, deadByInterruptions, earlyMs, endAttempt, type EndedAttempt, type Rules } from './transitions.ts'
import type { Verdict } from './verdict.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV-fn'
const error = { code: 'FUNCTION_STATUS', message: 'the function answered 500' }

function rules(overrides: Partial<Rules> = {}): Rules {
  const policy = { attempts: 2, backoffMs: 1_000, concurrency: 1 }
  return { policy, unavailableMs: 300_000, pauseMs: 50, now: NOW, random: 1, ...overrides }
}

function ended(number: number, verdict: Verdict): EndedAttempt {
  return { number, outcome: 500, verdict, result: { status: 500, headers: [], bodyBytes: 0, body: '' } }
}

function begun(times = 1, at = NOW): CallState {
  let state = queuedState(ID)
  for (let i = 0; i < times; i += 1) state = beginAttempt(state, at)
  return state
}

it('an attempt that started and did not end was interrupted, and does not count against the limit', () => {
  const state = begun(2)
  expect(state.attempts).toMatchObject([{ number: 1, outcome: 'INTERRUPTED' }, { number: 2 }])
  const { state: next, delayMs } = endAttempt(state, ended(2, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(next).toMatchObject({ status: 'running', nextAttemptAt: '2026-01-01T00:00:01.000Z' })
  expect(delayMs).toBe(1_000)
})

it('a call waits for its next attempt, but not for a clock that was set back', () => {
  const { state } = endAttempt(begun(), ended(1, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(earlyMs(begun(), NOW)).toBe(0)
  expect([NOW, NOW + 400, NOW + 1_000, NOW + 5_000].map(now => earlyMs(state, now))).toEqual([1_000, 600, 0, 0])
  expect(earlyMs(state, NOW - 3_600_000)).toBe(0)
})

it('a call is suspected at its limit of interruptions, not before', () => {
  expect(deadByInterruptions(begun(99), 100, NOW)).toBeUndefined()
  expect(deadByInterruptions(begun(100), 100, NOW)).toMatchObject({ status: 'dead', error: { code: 'INTERRUPTED' } })
})

it('what a dying proxy interrupted uses up no attempts, and is retried without growing gaps', () => {
  const lost = { ...ended(0, { kind: 'retry', error, retryAfterMs: 0 }), outcome: 'PROXY_LOST', result: undefined }
  let state = queuedState(ID)
  for (let number = 1; number <= 20; number += 1) {
    const next = endAttempt(beginAttempt(state, NOW), { ...lost, number }, rules())
    expect(next).toMatchObject({ delayMs: 1_000, state: { status: 'running' } })
    state = next.state
  }
  expect(deadByInterruptions(state, 20, NOW)).toMatchObject({ status: 'dead' })
  const failed = endAttempt(beginAttempt(state, NOW), ended(21, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(failed).toMatchObject({ delayMs: 1_000, state: { status: 'running' } })
})

it('attempts before a redrive do not count', () => {
  let { state } = endAttempt(begun(), ended(1, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  state = beginAttempt({ ...state, status: 'queued', attemptsBefore: 1 }, NOW)
  const retry = endAttempt(state, ended(2, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(retry.delayMs).toBe(1_000)
  const last = endAttempt(beginAttempt(retry.state, NOW), ended(3, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(last).toMatchObject({ state: { status: 'dead', error, result: { status: 500 } } })
})

it('while the function is unavailable no attempt is counted, up to a time limit', () => {
  const verdict: Verdict = { kind: 'unavailable', error }
  const early = endAttempt(begun(), ended(1, verdict), rules())
  expect(early).toMatchObject({ delayMs: 75, state: { status: 'running', attempts: [], error } })
  const late = endAttempt(begun(1, NOW - 300_000), ended(1, verdict), rules())
  expect(late.state).toMatchObject({ attempts: [{ number: 1, outcome: 500 }] })
})

it('a refusal for lack of capacity is not counted as an attempt, however long that lasts', () => {
  const verdict: Verdict = { kind: 'overloaded', error, retryAfterMs: 2_000 }
  const { state, delayMs } = endAttempt(begun(1, NOW - 1e9), ended(1, verdict), rules())
  expect(state.attempts).toEqual([])
  expect(delayMs).toBeGreaterThanOrEqual(2_000)
})

it('the end of an attempt that was thought interrupted does not affect the current one, unless it is final', () => {
  const state = begun(2)
  const retry = endAttempt(state, ended(1, { kind: 'retry', error, retryAfterMs: 0 }), rules())
  expect(retry).toEqual({
    state: { ...state, attempts: [expect.objectContaining({ outcome: 500 }), state.attempts[1]] },
  })
  const success = endAttempt(state, ended(1, { kind: 'succeeded' }), rules())
  expect(success.state).toMatchObject({ status: 'succeeded', attempts: [{ outcome: 500 }, { outcome: 'INTERRUPTED' }] })
})
