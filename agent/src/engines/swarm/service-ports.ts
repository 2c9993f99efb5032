/** The ports of instances, written on their services: see `SwarmView`. */
import type Docker from 'dockerode'
import { PORT_LABEL, portOf, type SwarmService } from './swarm-api.ts'
import { translateSwarmError } from './swarm-errors.ts'
import type { SeenTask } from './swarm-view.ts'

/** Labels of a service are none of its task, which goes on. @throws RyoFaasError ENGINE_FAILED */
export async function writePort(docker: Docker, serviceId: string, port: number): Promise<void> {
  try {
    const service = docker.getService(serviceId)
    const { Version, Spec } = (await service.inspect()) as Required<SwarmService>
    const Labels = { ...Spec.Labels, [PORT_LABEL]: String(port) }
    await service.update({ ...Spec, Labels, version: Version.Index })
  } catch (error) {
    throw translateSwarmError(error, 'writing down where an instance is reached')
  }
}

/**
 * For instances of a release that wrote none, and of an agent that died before it did: as long as the swarm knows them.
 * @throws RyoFaasError ENGINE_FAILED
 */
export async function writeMissingPorts(
  docker: Docker,
  services: readonly SwarmService[],
  seen: readonly SeenTask[],
): Promise<void> {
  const without = new Set(services.filter(({ Spec }) => Spec.Labels[PORT_LABEL] === undefined).map(({ ID }) => ID))
  for (const { task } of seen) {
    const port = task.Status.State === 'running' ? portOf(task) : undefined
    if (port !== undefined && without.has(task.ServiceID)) await writePort(docker, task.ServiceID, port)
  }
}
