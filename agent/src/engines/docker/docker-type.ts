/** Containers, where Docker is available. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Detection, EngineContext, EngineType } from '../engine-type.ts'
import { InstalledNodes, nodeVersionOf } from '../installed-nodes.ts'
import { poolSizeOf } from '../pool/pool-size.ts'
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

  async create(context) {
    const { docker, project, egress, home, baseImage, nodePath, environment } = context
    const [{ DockerEngine }, connection] = await Promise.all([import('./docker-engine.ts'), docker.connect()])
    const { TZ } = environment
    const baseEnv = TZ === undefined ? {} : { TZ }
    return new DockerEngine({
      ...{ ...connection, project, egress, home, baseEnv },
      baseImage: baseImageOf(baseImage, nodePath),
      otherBaseImage: otherBaseImages(context),
      pool: poolSizeOf(context),
    })
  },
}

/** What images are made of. */
export type ImageChoice = Pick<EngineContext, 'baseImage' | 'nodePath' | 'environment'>

/** The host's own Node makes a Linux image only on Linux. */
export function baseImageOf(choice: string, nodePath: string): BaseImageSource {
  if (isAssembled(choice)) return { kind: 'assemble', nodePath }
  return { kind: 'pull', ref: choice === 'auto' ? 'node:24-slim' : choice }
}

export function otherBaseImages({ baseImage, nodePath, environment }: ImageChoice) {
  const nodes = new InstalledNodes({ own: nodePath, environment })
  return async (base: string): Promise<BaseImageSource> => {
    const version = nodeVersionOf(base)
    if (version === undefined) throw new RyoFaasError('UNSUPPORTED', `Docker has no base image "${base}"`)
    if (isAssembled(baseImage)) return { kind: 'assemble', nodePath: await nodes.pathOf(base) }
    if (baseImage === 'auto') return { kind: 'pull', ref: `node:${version}-slim` }
    throw new RyoFaasError('UNSUPPORTED', `the platform runs functions on ${baseImage}, not on Node ${version}`, {
      hint: 'Start the platform without --base-image, or with an image that has this Node, and remove "node".',
    })
  }
}

function isAssembled(choice: string): boolean {
  return choice === 'assemble' || (choice === 'auto' && process.platform === 'linux')
}
