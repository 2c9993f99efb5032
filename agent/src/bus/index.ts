/** NATS: the connection, streams, subjects and messages. Nothing of the package `nats` is seen outside. */
export { Bus, connectBus, type BusOptions, type Manager, type PublishOptions } from './bus.ts'
export { BusError, type BusErrorCode } from './bus-error.ts'
export type { PublishAck } from './publisher.ts'
export { ensureStreams, type StreamLimits } from './streams.ts'
export { scanHeads, type MessageHead, type ScanRange } from './scan.ts'
export { lastMessage, nextMessage, removeMessage, type StoredMessage } from './messages.ts'
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
