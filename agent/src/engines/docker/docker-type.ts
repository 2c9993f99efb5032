/** Containers, where Docker is available. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Detection, EngineType } from '../engine-type.ts'
import type { BaseImageSource } from './base-image.ts'

export const DOCKER: EngineType = {
  kind: 'docker',
  help: 'docker',

  async detect({ docker, egress }): Promise<Detection> {
    try {
      const { reach, note } = await docker.connect()
      // This machine reaches them over published ports, which are also a way out.
      if (egress === 'internet' || reach === 'bridge') return { kind: 'usable' }
      const hint = 'This needs Docker on this Linux machine. Omit --egress to let functions reach the Internet.'
      const why = new RyoFaasError('INVALID_OPTION', `--egress none cannot be enforced with ${note}`, { hint })
      return { kind: 'unusable', why }
    } catch (error) {
      return { kind: 'unusable', why: RyoFaasError.from(error) }
    }
  },

  async create({ docker, project, egress, home, baseImage, nodePath, environment }) {
    const [{ DockerEngine }, connection] = await Promise.all([import('./docker-engine.ts'), docker.connect()])
    const { TZ } = environment
    const baseEnv = TZ === undefined ? {} : { TZ }
    return new DockerEngine({
      ...{ ...connection, project, egress, home, baseEnv },
      baseImage: baseImageOf(baseImage, nodePath),
    })
  },
}

/** The host's own Node makes a Linux image only on Linux. */
function baseImageOf(choice: string, nodePath: string): BaseImageSource {
  const assemble = choice === 'assemble' || (choice === 'auto' && process.platform === 'linux')
  if (assemble) return { kind: 'assemble', nodePath }
  return { kind: 'pull', ref: choice === 'auto' ? 'node:24-slim' : choice }
}
