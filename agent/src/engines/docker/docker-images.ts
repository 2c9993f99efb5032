/** Packages as Docker images on a base image that all projects of this machine share. */
import type Docker from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import { ignoreStatus, imageExists, nullIfMissing, translateDockerError } from '../../docker/index.ts'
import { KeyedQueue } from '../../host/index.ts'
import type { ImageInfo, Images } from '../capabilities.ts'
import type { BuiltPackage } from '../engine.ts'
import { requirePackage } from '../package-folder.ts'
import { ensureBaseImage, type BaseImageSource } from './base-image.ts'
import { buildFunctionImage, listFunctionImages, removeFunctionImage } from './function-image.ts'

/** Common to all functions' images. */
const BASE = 'node'

export interface DockerImagesOptions {
  docker: Docker
  project: string
  baseImage: BaseImageSource
}

export class DockerImages implements Images {
  readonly #docker: Docker
  readonly #options: DockerImagesOptions
  /** Images of a function share the layer with their labels, which Docker removes with the last of them. */
  readonly #inTurn = new KeyedQueue()
  #base: string | undefined
  #makingBase: Promise<string> | undefined

  constructor(options: DockerImagesOptions) {
    this.#docker = options.docker
    this.#options = options
  }

  refOf({ route, hash }: BuiltPackage): string {
    return `${this.#options.project}-${route}:${hash}`
  }

  async build(built: BuiltPackage, signal: AbortSignal): Promise<string> {
    const { base = BASE } = built
    if (base !== BASE) throw new RyoFaasError('UNSUPPORTED', `Docker has no base image "${base}" for ${built.route}`)
    const ref = this.refOf(built)
    return this.#inTurn.run(repositoryOf(ref), async () => {
      if (await imageExists(this.#docker, ref)) return ref
      await requirePackage(built)
      const { project } = this.#options
      const buildOn = (base: string) => buildFunctionImage(this.#docker, { ref, base, project, built }, signal)
      // By id: Docker would look for a missing name in a registry.
      const base = await this.#baseId()
      try {
        await buildOn(base)
      } catch (error) {
        // Another project may just have removed it with its last images.
        if (signal.aborted || (await imageExists(this.#docker, base))) throw error
        await buildOn(await this.#baseId())
      }
      return ref
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
  ensureBase(report: (doing: string) => void = () => undefined): Promise<string> {
    return (this.#makingBase ??= this.#makeBase(report).finally(() => (this.#makingBase = undefined)))
  }

  async #makeBase(report: (doing: string) => void): Promise<string> {
    if (this.#base && (await imageExists(this.#docker, this.#base))) return this.#base
    this.#base = await ensureBaseImage(this.#docker, this.#options.baseImage, report)
    return this.#base
  }

  async #baseId(): Promise<string> {
    const idOf = async () => (await this.#docker.getImage(await this.ensureBase()).inspect()).Id
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

/** `project-route:hash` → `project-route`. */
function repositoryOf(ref: string): string {
  return ref.slice(0, ref.lastIndexOf(':'))
}
