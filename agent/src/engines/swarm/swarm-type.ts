/** Containers on several machines, where Docker is a manager of a swarm. Only if it is named: a swarm is a choice. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Detection, EngineType } from '../engine-type.ts'
import { imageSources } from '../oci/image-sources.ts'
import type { SwarmInfo } from './swarm-api.ts'

export const SWARM: EngineType = {
  kind: 'swarm',
  help: 'swarm (on the machines of a Docker swarm, started on a manager)',

  async detect({ docker, egress }): Promise<Detection> {
    try {
      const { docker: client } = await docker.connect()
      const { Swarm } = (await client.info()) as SwarmInfo
      if (egress === 'none') {
        const why = new RyoFaasError('INVALID_OPTION', '--egress none cannot be enforced with --engine swarm')
        return { kind: 'unusable', why }
      }
      if (Swarm?.ControlAvailable) return { kind: 'usable' }
      const isWorker = Swarm?.LocalNodeState === 'active'
      const why = new RyoFaasError(
        'ENGINE_FAILED',
        isWorker ? 'this machine is a worker of its swarm, not a manager' : 'Docker on this machine is in no swarm',
        {
          hint: isWorker
            ? 'Start the platform on a manager, or make this machine one there: docker node promote.'
            : 'Make one: docker swarm init, and docker swarm join on the other machines.',
        },
      )
      return { kind: 'unusable', why }
    } catch (error) {
      return { kind: 'unusable', why: RyoFaasError.from(error) }
    }
  },

  async create(context) {
    const { docker, project, home, environment, registry: address = 'none', clusterKey = 'none' } = context
    const [{ SwarmEngine }, { Registry }, connection] = await Promise.all([
      import('./swarm-engine.ts'),
      import('../oci/registry.ts'),
      docker.connect(),
    ])
    const { TZ } = environment
    return new SwarmEngine({
      ...{ docker: connection.docker, note: connection.note, project, home, sourceOf: imageSources(context) },
      baseEnv: TZ === undefined ? {} : { TZ },
      hasStandBys: clusterKey !== 'none',
      registry: address === 'none' ? undefined : new Registry({ address, environment }),
    })
  },
}
