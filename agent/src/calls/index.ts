/**
 * Asynchronous calls: what travels in messages, what is known of each call, and the rules for changing it. Everything
 * that accepts, runs or shows calls goes through here.
 */
export { CallHead, decodeCall, decodeResult, encodeEnvelope, FaasTrigger, ResultHead } from './envelope.ts'
export { CallResult, CallState, INLINE_RESULT_BYTES, isFinal } from './call-state.ts'
export { advance, readState, writeState, type StoredState } from './call-states.ts'
export { getBody, INLINE_BODY_BYTES, putBody, removeBody } from './bodies.ts'
export { getAnswer, getCall, queuedState } from './call-view.ts'
export { cancelCall, redriveCall, redriveDead } from './call-changes.ts'
export { isCursor, listCalls, type CallQuery } from './call-list.ts'
export { watchCall, watchCalls, type CallEvent } from './call-watch.ts'
export { claimKey, confirmKey, idempotencyKey } from './idempotency.ts'
export { sweepBodies } from './sweep-bodies.ts'
export { CallbackRule } from './callback-url.ts'
export { guardedLookup, RefusedAddressError, type Resolve } from './guarded-lookup.ts'
export {
  judge,
  LONGEST_WAIT_MS,
  platformCodeOf,
  PROXY_LOST,
  retryAfterMs,
  type AttemptEnd,
  type Verdict,
} from './verdict.ts'
export {
  beforeFirstState,
  beginAttempt,
  deadByInterruptions,
  earlyMs,
  endAttempt,
  failUnrun,
  withBrokenOff,
  type Ended,
  type EndedAttempt,
} from './transitions.ts'
