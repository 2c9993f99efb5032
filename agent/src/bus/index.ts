/**
 * The bus: connection, streams, subjects, what travels in messages, and what is known of each call. Everything that accepts,
 * runs or shows asynchronous calls goes through here.
 */
export { Bus, connectBus, type BusOptions, type Manager, type PublishOptions } from './bus.ts'
export { BusError, type BusErrorCode } from './bus-error.ts'
export type { PublishAck } from './publisher.ts'
export { ensureStreams, type StreamLimits } from './streams.ts'
export {
  callIdOfSubject,
  encodeToken,
  triggerSubject,
  EVENT_HEADERS,
  EVENT_SUBJECTS,
  eventSubject,
  idempotencySubject,
  REDRIVEN_HEADER,
  STATUS_HEADER,
  STREAMS,
  subjectOf,
  subjectsOf,
  type SubjectKind,
} from './subjects.ts'
export { CallIdSource, derivedCallId, parseCallId, timeOfCallId, type CallIdParts } from './call-id.ts'
export { CallHead, decodeCall, decodeResult, encodeEnvelope, ResultHead, type Envelope } from './envelope.ts'
export { CallResult, CallState, INLINE_RESULT_BYTES, isFinal } from './call-state.ts'
export { advance, readState, writeState, type Advance, type StoredState } from './call-states.ts'
export { getBody, INLINE_BODY_BYTES, putBody, removeBody, type BodyKind } from './bodies.ts'
export { lastMessage, nextMessage, removeMessage, type StoredMessage } from './messages.ts'
export { getAnswer, getCall, queuedState, readQueued, viewOf, type Answer, type QueuedCall } from './call-view.ts'
export { cancelCall, redriveCall, redriveDead, type CancelOutcome, type RedriveOutcome } from './call-changes.ts'
export { isCursor, listCalls, type CallQuery } from './call-list.ts'
export { watchCall, watchCalls, type CallEvent } from './call-watch.ts'
export { claimKey, confirmKey, idempotencyKey, type IdempotencyKey, type KeyClaim } from './idempotency.ts'
export { sweepBodies } from './sweep-bodies.ts'
export { CallbackRule } from './callback-url.ts'
