/** Functions as containers, through the Docker API. See `../engine.ts` for the invariants. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { RyoFaasError } from '../../contract/index.ts'
import {
  ignoreStatus,
  imageExists,
  isDockerStatus,
  nullIfMissing,
  removeContainer,
  translateDockerError,
  type DockerConnection,
} from '../../docker/index.ts'
import { freePort } from '../../host/index.ts'
import type { CommandNeeds, Engine, Instance, InstanceSpec, NativeSurroundings, Prepared } from '../engine.ts'
import { modulesOf } from '../native-surroundings.ts'
import { imageGone } from '../package-folder.ts'
import { writeSecrets } from '../secret-files.ts'
import { baseImageLibraries, type BaseImageSource } from './base-image.ts'
import { inspectSettled, toInstance } from './container-instance.ts'
import { APP_FOLDER, containerOptions, DEBUG_PORT } from './container-spec.ts'
import { DockerImages } from './docker-images.ts'
import { DockerLogs } from './docker-logs.ts'
import { EngineWatch } from './engine-watch.ts'
import { FunctionContainers } from './function-containers.ts'
import { ProjectNetwork, type Egress } from './project-network.ts'

export interface DockerEngineOptions extends DockerConnection {
  project: string
  home: string
  baseImage: BaseImageSource
  /** Default: internet. */
  egress?: Egress
}

export class DockerEngine implements Engine {
  readonly kind = 'docker'
  readonly note: string
  readonly isolation = { label: 'in containers' }
  readonly images: DockerImages
  readonly logs: DockerLogs
  readonly debug = { port: freePort }
  readonly #docker: Docker
  readonly #options: DockerEngineOptions
  readonly #containers: FunctionContainers
  readonly #network: ProjectNetwork
  readonly #watch: EngineWatch

  constructor(options: DockerEngineOptions) {
    const { docker, project, reach, egress = 'internet' } = options
    this.note = options.note
    this.#docker = docker
    this.#options = options
    this.#containers = new FunctionContainers(docker, project)
    this.#network = new ProjectNetwork(docker, { project, egress, isLocal: reach === 'bridge' })
    this.#watch = new EngineWatch(docker, { label: [`ryo-faas=${project}`] })
    this.images = new DockerImages(options)
    this.logs = new DockerLogs(this.#containers, options)
  }

  async prepare(report: (doing: string) => void): Promise<Prepared> {
    const [, { gateway, subnet }] = await Promise.all([this.images.ensureBase(report), this.#network.ensure()])
    const listenHosts = this.#options.reach === 'bridge' ? [{ host: gateway, peers: [subnet] }] : []
    return { reach: { proxyHost: this.#proxyHost, listenHosts }, warnings: this.#network.warnings }
  }

  codeFolderOf(): string {
    return APP_FOLDER
  }

  /** Docker limits the memory. */
  commandNeeds({ debugPort }: Pick<InstanceSpec, 'debugPort'>): CommandNeeds {
    return debugPort === undefined ? {} : { debug: { host: '0.0.0.0', port: DEBUG_PORT } }
  }

  /** A pulled image is unknown. */
  async surroundings(): Promise<NativeSurroundings> {
    const { baseImage } = this.#options
    if (baseImage.kind === 'pull') return {}
    const { nodePath } = baseImage
    const [modules, libraries] = await Promise.all([modulesOf(nodePath), baseImageLibraries(nodePath)])
    return { modules, libraries }
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const secretsDir = await writeSecrets(this.#secretsDir(spec.id), spec.secrets)
    const { gateway } = this.#network.place ?? (await this.#network.ensure())
    const address = this.#options.reach === 'bridge' ? gateway : 'host-gateway'
    const options = containerOptions(spec, {
      project: this.#options.project,
      network: this.#network.name,
      extraHosts: [`${this.#proxyHost}:${address}`],
      reach: this.#options.reach,
      secretsDir,
    })
    try {
      const container = await this.#docker.createContainer(options)
      await container.start()
      return toInstance(await container.inspect(), this.#options)
    } catch (error) {
      await this.stop(spec.id, 0)
      if (isDockerStatus(error, 404) && !(await imageExists(this.#docker, spec.image))) throw imageGone(spec, error)
      throw translateDockerError(error, `starting a container for ${spec.route}`)
    }
  }

  async promote(id: string): Promise<void> {
    const found = await this.#containers.find(id)
    if (!found) return
    const name = `${this.#options.project}-${this.#containers.routeOf(found)}`
    if (found.Name === `/${name}`) return
    try {
      const holder = await this.#docker.getContainer(name).inspect().catch(nullIfMissing)
      if (holder) {
        const holderId = holder.Config.Labels[`${this.#options.project}.instance`]
        if (holderId === undefined) {
          throw new RyoFaasError(
            'ENGINE_FAILED',
            `the container name ${name} is taken by a container that is not a function`,
          )
        }
        await this.#docker.getContainer(holder.Id).rename({ name: `${name}--${holderId}` })
      }
      await this.#docker.getContainer(found.Id).rename({ name })
    } catch (error) {
      throw translateDockerError(error, `naming a container ${name}`)
    }
  }

  async instance(id: string): Promise<Instance | undefined> {
    const [found] = await this.#inspected({ id })
    return found
  }

  instances(route?: string): Promise<Instance[]> {
    return this.#inspected(route === undefined ? {} : { route })
  }

  async stop(id: string, graceMs: number): Promise<void> {
    const found = await this.#containers.find(id)
    if (found) {
      const container = this.#docker.getContainer(found.Id)
      try {
        if (found.State.Running && graceMs > 0) {
          await container.stop({ t: Math.ceil(graceMs / 1000) }).catch(ignoreStatus(304, 404))
        }
        await this.logs.keep(found, id)
        await removeContainer(this.#docker, found.Id)
      } catch (error) {
        throw translateDockerError(error, `stopping ${found.Name}`)
      }
    }
    await rm(this.#secretsDir(id), { recursive: true, force: true })
  }

  watch(onChange: () => void): void {
    this.#watch.start(onChange)
  }

  async cleanUp(removeImages: boolean): Promise<void> {
    // Also containers that were created and never started: an agent was killed between the two calls.
    for (const { Id } of await this.#containers.list()) await removeContainer(this.#docker, Id)
    await this.#network.remove()
    if (removeImages) await this.images.removeAll()
  }

  async close(): Promise<void> {
    this.#watch.stop()
  }

  async #inspected(only: { route?: string; id?: string }): Promise<Instance[]> {
    try {
      const containers = await this.#containers.list(only)
      const inspected = await Promise.all(containers.map(({ Id }) => inspectSettled(this.#docker, Id)))
      // `created` but never started: an agent died between the two calls, or is about to make the second.
      return inspected
        .filter(found => found !== null && found.State.Status !== 'created')
        .map(found => toInstance(found!, this.#options))
    } catch (error) {
      throw translateDockerError(error, 'listing containers')
    }
  }

  get #proxyHost(): string {
    return `${this.#options.project}-proxy`
  }

  #secretsDir(id: string): string {
    return join(this.#options.home, 'run', 'secrets', id)
  }
}
