/** Packages as Docker images on a base image that all projects of this machine share. */
import type Docker from 'dockerode'
import { dockerfileOf, hostPathsOf, RyoFaasError, SCRATCH_BASE } from '../../contract/index.ts'
import { ignoreStatus, imageExists, isImageMissing, nullIfMissing, translateDockerError } from '../../docker/index.ts'
import { KeyedQueue } from '../../host/index.ts'
import type { ImageInfo, Images } from '../capabilities.ts'
import type { BuiltPackage } from '../engine.ts'
import { NODE_BASE } from '../pool/pool-class.ts'
import { requirePackage } from '../package-folder.ts'
import { ensureBaseImage, type BaseImageSource } from './base-image.ts'
import { buildFromDockerfile, buildFunctionImage, listFunctionImages, removeFunctionImage } from './function-image.ts'

/** Projects that end one after the other may each remove the base image that a build has begun with. */
const BUILD_TRIES = 3

export interface DockerImagesOptions {
  docker: Docker
  project: string
  baseImage: BaseImageSource
  otherBaseImage?: (base: string) => Promise<BaseImageSource>
}

export class DockerImages implements Images {
  readonly #docker: Docker
  readonly #options: DockerImagesOptions
  /** Images of a function share the layer with their labels, which Docker removes with the last of them. */
  readonly #inTurn = new KeyedQueue()
  /** References, by the name of the base. */
  readonly #bases = new Map<string, string>()
  readonly #making = new Map<string, Promise<string>>()

  constructor(options: DockerImagesOptions) {
    this.#docker = options.docker
    this.#options = options
  }

  refOf({ route, hash }: BuiltPackage): string {
    return `${this.#options.project}-${route}:${hash}`
  }

  async build(built: BuiltPackage, signal: AbortSignal): Promise<string> {
    const ref = this.refOf(built)
    return this.#inTurn.run(repositoryOf(ref), async () => {
      if (await imageExists(this.#docker, ref)) return ref
      await requirePackage(built)
      const { project } = this.#options
      const buildOn = (base: string) => buildFunctionImage(this.#docker, { ref, base, project, built }, signal)
      const dockerfile = dockerfileOf(built.base)
      if (dockerfile !== undefined) {
        await buildFromDockerfile(this.#docker, { ref, dockerfile, project, built }, signal)
        return ref
      }
      if (built.base === SCRATCH_BASE) {
        await buildOn(SCRATCH_BASE)
        return ref
      }
      for (let tried = 1; ; tried++) {
        // By id: Docker would look for a missing name in a registry.
        const base = await this.baseId(built.base)
        try {
          await buildOn(base)
          return ref
        } catch (error) {
          // Another project may just have removed the base with its last images, or Docker a step that was unused yet.
          if (signal.aborted || tried === BUILD_TRIES) throw error
          if (!isImageMissing(error) && (await imageExists(this.#docker, base))) throw error
        }
      }
    })
  }

  list(): Promise<ImageInfo[]> {
    return listFunctionImages(this.#docker, this.#options.project)
  }

  remove(ref: string): Promise<void> {
    return this.#inTurn.run(repositoryOf(ref), () => removeFunctionImage(this.#docker, ref))
  }

  async removeAll(): Promise<void> {
    await Promise.all((await this.list()).map(({ ref }) => this.remove(ref)))
    await this.#removeBaseIfUnused()
  }

  /** Also after it was removed (`docker image prune -a`). Concurrent calls share one build. */
  ensureBase(report: (doing: string) => void = () => undefined, base = NODE_BASE): Promise<string> {
    const making = this.#making.get(base) ?? this.#makeBase(base, report).finally(() => this.#making.delete(base))
    this.#making.set(base, making)
    return making
  }

  /** @throws RyoFaasError NODE_NOT_FOUND, UNSUPPORTED */
  async sourceOf(base = NODE_BASE): Promise<BaseImageSource> {
    const { baseImage, otherBaseImage } = this.#options
    if (base === NODE_BASE) return baseImage
    const paths = hostPathsOf(base)
    if (paths !== undefined) return { kind: 'host', paths: mustBeLinux(paths) }
    if (otherBaseImage !== undefined) return otherBaseImage(base)
    throw new RyoFaasError('UNSUPPORTED', `Docker has no base image "${base}"`)
  }

  async #makeBase(base: string, report: (doing: string) => void): Promise<string> {
    const known = this.#bases.get(base)
    if (known !== undefined && (await imageExists(this.#docker, known))) return known
    const ref = await ensureBaseImage(this.#docker, await this.sourceOf(base), report)
    this.#bases.set(base, ref)
    return ref
  }

  async baseId(base?: string): Promise<string> {
    const idOf = async () => (await this.#docker.getImage(await this.ensureBase(undefined, base)).inspect()).Id
    try {
      // `null`: another project removed it between the two requests.
      return (await idOf().catch(nullIfMissing)) ?? (await idOf())
    } catch (error) {
      throw translateDockerError(error, 'looking for the base image')
    }
  }

  /** Other projects may use the same one, and Docker would untag it instead of refusing. */
  async #removeBaseIfUnused(): Promise<void> {
    const [images, containers] = await Promise.all([
      this.#docker.listImages({ filters: { label: ['ryo-faas'] } }),
      this.#docker.listContainers({ all: true, filters: { label: ['ryo-faas'] } }),
    ])
    const isBase = ({ Labels }: { Labels: Record<string, string> }) => Labels['ryo-faas'] === 'base'
    if (!images.every(isBase) || containers.length > 0) return
    for (const { Id } of images) await this.#docker.getImage(Id).remove().catch(ignoreStatus(404, 409))
  }
}

/** @throws RyoFaasError UNSUPPORTED where programs of this machine cannot run in a container */
function mustBeLinux(paths: string[]): string[] {
  if (process.platform === 'linux') return paths
  throw new RyoFaasError('UNSUPPORTED', `${paths[0]} of this machine cannot run in a container`, {
    hint: 'Containers run Linux. Give the package a Dockerfile ("dockerfile": true), or start the platform with --engine process.',
  })
}

/** `project-route:hash` → `project-route`. */
function repositoryOf(ref: string): string {
  return ref.slice(0, ref.lastIndexOf(':'))
}
