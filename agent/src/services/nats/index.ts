export { ensureCredentials, natsPaths, type NatsCredentials } from './nats-config.ts'
export { findNats, type NatsSearch, type NatsSource } from './find-nats.ts'
export { natsProcess, type NatsPartOptions } from './nats-part.ts'
export { natsContainer, type NatsContainerOptions } from './nats-container.ts'
