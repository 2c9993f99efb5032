/** Asks Docker on another machine. @throws RyoFaasError SERVER_UNREACHABLE, DOCKER_UNREACHABLE */
export type DockerThere = (
  method: 'GET' | 'POST',
  path: string,
  body?: object,
) => Promise<{ status: number; body: string }>

/** What is not as it should be on a machine of a swarm, and what to do about it. */
export interface MachineFinding {
  name: string
  status: 'ok' | 'warn' | 'fail'
  found: string
  fix?: string
}
