/** Docker on this host: whether there is one, how it is reached, and what running a container there needs. */
export { connectDocker, DockerService, type DockerConnection, type Reach } from './connection.ts'
export { OWN_CGROUPS, removeContainer } from './containers.ts'
export { ignoreStatus, isDockerStatus, isImageMissing, nullIfMissing, translateDockerError } from './docker-errors.ts'
export { drain, imageExists, pullImage } from './images.ts'
