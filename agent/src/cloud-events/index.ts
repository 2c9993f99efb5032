/** CloudEvents as others send them: over HTTP, and over NATS. */
export { InvalidEventError, readEvents, type JsonEvent } from './read-events.ts'
export { eventOfMessage, MESSAGE_TYPE } from './nats-message.ts'
