export { ensureCredentials } from './nats-config.ts'
export { findNats } from './find-nats.ts'
export { natsProcess } from './nats-part.ts'
export { natsContainer } from './nats-container.ts'
