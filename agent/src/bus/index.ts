/** NATS: the connection, streams, subjects and messages. Nothing of the package `nats` is seen outside. */
export { describeServer, faultOf, maxPayloadOf, type ServerDescription } from './server.ts'
export { connectBus, type Bus, type BusOptions } from './bus.ts'
export { BusAccess, readServerUrls } from './access.ts'
export { BusError } from './bus-error.ts'
export { ensureAgentStreams, ensureStreams, ensureStreamsWithin, removeStreams, type StreamLimits } from './streams.ts'
export { purge, streamState, subjectsIn } from './stream-state.ts'
export { scanHeads, type MessageHead, type ScanRange } from './scan.ts'
export {
  lastMessage,
  messageAt,
  newestMessage,
  nextMessage,
  removeMessage,
  writtenOnce,
  type StoredMessage,
} from './messages.ts'
export { backlogOf, durableConsumer, type Backlog } from './consumers.ts'
export type { Delivery, StreamDelivery } from './delivery.ts'
export { Puller } from './puller.ts'
export { givenConsumer, streamOfSubject, subscribeCore, type CoreMessage } from './given-server.ts'
export { OrderedReader } from './ordered-reader.ts'
export {
  AGENT_STREAMS,
  agentsSubject,
  callIdOfSubject,
  DEPTH_HEADER,
  triggerSubject,
  encodeToken,
  EVENT_HEADERS,
  EVENT_SUBJECTS,
  eventSubject,
  idempotencySubject,
  publishedSubject,
  publishedSubjects,
  proxySubject,
  REDRIVEN_HEADER,
  NEWEST_ROUTES,
  ROLL_CALL,
  routesSubject,
  STATUS_HEADER,
  STREAMS,
  subjectOf,
  subjectsOf,
  versionSubject,
} from './subjects.ts'
export { CallIdSource, derivedCallId, parseCallId, timeOfCallId } from './call-id.ts'
