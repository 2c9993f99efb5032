export { ensureCredentials, natsPaths } from './nats-config.ts'
export { findNats } from './find-nats.ts'
export { natsProcess, type NatsPart } from './nats-part.ts'
export { natsContainer } from './nats-container.ts'
