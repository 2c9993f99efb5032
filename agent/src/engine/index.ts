export type * from './engine.ts'
export { DockerEngine, type DockerEngineOptions } from './docker/docker-engine.ts'
export { connectDocker, type DockerConnection } from './docker/connect-docker.ts'
export { ProcessEngine, type ProcessEngineOptions } from './process/process-engine.ts'
