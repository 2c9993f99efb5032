/** NATS: the connection, streams, subjects and messages. Nothing of the package `nats` is seen outside. */
export { connectBus, type Bus, type BusOptions, type HeardMessage, type PublishOptions } from './bus.ts'
export { BusError, type BusErrorCode } from './bus-error.ts'
export type { PublishAck } from './publisher.ts'
export { ensureStreams, type StreamLimits } from './streams.ts'
export { purge, streamState, subjectsIn, type StreamState } from './stream-state.ts'
export { scanHeads, type MessageHead, type ScanRange } from './scan.ts'
export { lastMessage, messageAt, nextMessage, removeMessage, type StoredMessage } from './messages.ts'
export { backlogOf, durableConsumer } from './consumers.ts'
export type { Delivery, StreamDelivery } from './delivery.ts'
export { Puller } from './puller.ts'
export { OrderedReader } from './ordered-reader.ts'
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
