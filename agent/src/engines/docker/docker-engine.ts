/** Functions as containers, through the Docker API. See `../engine.ts` for the invariants. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import Docker, { type ContainerInfo, type ContainerInspectInfo } from 'dockerode'
import { RyoFaasError, type LogLine } from '../../contract/index.ts'
import { KeyedQueue, type ExtraHost } from '../../host/index.ts'
import type { BuiltPackage, CommandNeeds, Engine, ImageInfo, Instance, InstanceSpec, LogQuery } from '../engine.ts'
import { LogFiles } from '../log-files.ts'
import { requirePackage } from '../package-folder.ts'
import { writeSecrets } from '../secret-files.ts'
import { ensureBaseImage, imageExists, type BaseImageSource } from './base-image.ts'
import type { Reach } from './connect-docker.ts'
import { containerLogs } from './container-logs.ts'
import { removeContainer } from './container-removal.ts'
import { APP_FOLDER, containerOptions, DEBUG_PORT } from './container-spec.ts'
import { buildFunctionImage, listFunctionImages, removeFunctionImage } from './function-image.ts'
import { ignoreStatus, nullIfMissing, translateDockerError } from './docker-errors.ts'
import { EngineWatch } from './engine-watch.ts'
import { inspectSettled, instanceId, toInstance } from './container-instance.ts'
import { ProjectNetwork, type Egress } from './project-network.ts'

/** Every function's. */
const BASE = 'node'

export interface DockerEngineOptions {
  docker: Docker
  project: string
  home: string
  baseImage: BaseImageSource
  reach: Reach
  note: string
  /** Default: internet. */
  egress?: Egress
}

export class DockerEngine implements Engine {
  readonly kind = 'docker'
  readonly proxyHost: string
  readonly #docker: Docker
  readonly #options: DockerEngineOptions
  readonly #logFiles: LogFiles
  readonly #network: ProjectNetwork
  readonly #watch: EngineWatch
  /** Images of a function share the step with their labels, which Docker removes with the last of them. */
  readonly #imagesInTurn = new KeyedQueue()
  #base: string | undefined
  #makingBase: Promise<string> | undefined

  constructor(options: DockerEngineOptions) {
    this.proxyHost = `${options.project}-proxy`
    this.#docker = options.docker
    this.#options = options
    this.#logFiles = new LogFiles(join(options.home, 'logs', 'functions'))
    this.#network = new ProjectNetwork(options.docker, {
      project: options.project,
      egress: options.egress ?? 'internet',
      isLocal: options.reach === 'bridge',
    })
    this.#watch = new EngineWatch(options.docker, this.#filters)
  }

  get note(): string {
    return [this.#options.note, ...this.#network.warnings].join('; ')
  }

  get proxyListenHosts(): readonly ExtraHost[] {
    const { place } = this.#network
    return this.#options.reach === 'bridge' && place !== undefined
      ? [{ host: place.gateway, peers: [place.subnet] }]
      : []
  }

  get #filters() {
    return { label: [`ryo-faas=${this.#options.project}`] }
  }

  async prepare(report: (doing: string) => void): Promise<void> {
    await Promise.all([this.#ensureBase(report), this.#network.ensure()])
  }

  codeFolderOf(): string {
    return APP_FOLDER
  }

  /** Memory is limited from outside. */
  commandNeeds({ debugPort }: Pick<InstanceSpec, 'debugPort'>): CommandNeeds {
    return debugPort === undefined ? {} : { debug: { host: '0.0.0.0', port: DEBUG_PORT } }
  }

  imageOf({ route, hash }: BuiltPackage): string {
    return `${this.#options.project}-${route}:${hash}`
  }

  async build(built: BuiltPackage, signal: AbortSignal): Promise<string> {
    const { base = BASE } = built
    if (base !== BASE) throw new RyoFaasError('UNSUPPORTED', `Docker has no base image "${base}" for ${built.route}`)
    const ref = this.imageOf(built)
    return this.#imagesInTurn.run(repositoryOf(ref), async () => {
      if (await imageExists(this.#docker, ref)) return ref
      await requirePackage(built)
      const { project } = this.#options
      const buildOn = (base: string) => buildFunctionImage(this.#docker, { ref, base, project, built }, signal)
      // By its id: a name that is gone would be asked for on the network.
      const base = await this.#baseId()
      try {
        await buildOn(base)
      } catch (error) {
        // The last other project may have taken it away with its own images just now.
        if (signal.aborted || (await imageExists(this.#docker, base))) throw error
        await buildOn(await this.#baseId())
      }
      return ref
    })
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const secretsDir = await writeSecrets(this.#secretsDir(spec.id), spec.secrets)
    const { gateway } = this.#network.place ?? (await this.#network.ensure())
    const address = this.#options.reach === 'bridge' ? gateway : 'host-gateway'
    const options = containerOptions(spec, {
      project: this.#options.project,
      network: this.#network.name,
      extraHosts: [`${this.proxyHost}:${address}`],
      reach: this.#options.reach,
      secretsDir,
    })
    try {
      const container = await this.#docker.createContainer(options)
      await container.start()
      return toInstance(await container.inspect(), this.#options)
    } catch (error) {
      await this.stop(spec.id, 0)
      throw translateDockerError(error, `starting a container for ${spec.route}`)
    }
  }

  async promote(id: string): Promise<void> {
    const found = await this.#inspect(id)
    if (!found) return
    const route = found.Config.Labels[`${this.#options.project}.function`]!
    const name = `${this.#options.project}-${route}`
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

  async instances(route?: string): Promise<Instance[]> {
    try {
      const containers = await this.#list(route === undefined ? {} : { [`${this.#options.project}.function`]: route })
      const inspected = await Promise.all(containers.map(({ Id }) => inspectSettled(this.#docker, Id)))
      // `created` but never started: someone died between the two calls, or is about to make the second.
      return inspected
        .filter(found => found !== null && found.State.Status !== 'created')
        .map(found => toInstance(found!, this.#options))
    } catch (error) {
      throw translateDockerError(error, 'listing containers')
    }
  }

  async stop(id: string, graceMs: number): Promise<void> {
    const found = await this.#inspect(id)
    if (found) {
      const container = this.#docker.getContainer(found.Id)
      try {
        if (found.State.Running && graceMs > 0) {
          await container.stop({ t: Math.ceil(graceMs / 1000) }).catch(ignoreStatus(304, 404))
        }
        await this.#keepLogs(found, id)
        await removeContainer(this.#docker, found.Id)
      } catch (error) {
        throw translateDockerError(error, `stopping ${found.Name}`)
      }
    }
    await rm(this.#secretsDir(id), { recursive: true, force: true })
  }

  logSources(route: string): Promise<string[]> {
    return Promise.all([
      this.#logFiles.sources(route),
      this.#list({ [`${this.#options.project}.function`]: route }),
    ]).then(([kept, living]) => [
      ...new Set([...kept, ...living.map(({ Labels }) => instanceId(Labels, this.#options.project))]),
    ])
  }

  async *logs(source: { route: string; id: string }, query: LogQuery, signal: AbortSignal): AsyncGenerator<LogLine> {
    const living = await this.#inspect(source.id)
    if (living) yield* containerLogs(this.#docker, { name: living.Id, instance: source.id }, { ...query, signal })
    else yield* this.#logFiles.read({ ...source, isLive: async () => false }, query, signal)
  }

  forgetLogs(route: string): Promise<void> {
    return this.#logFiles.remove(route)
  }

  watch(onChange: () => void): void {
    this.#watch.start(onChange)
  }

  images(): Promise<ImageInfo[]> {
    return listFunctionImages(this.#docker, this.#options.project)
  }

  removeImage(ref: string): Promise<void> {
    return this.#imagesInTurn.run(repositoryOf(ref), () => removeFunctionImage(this.#docker, ref))
  }

  async cleanUp(removeImages: boolean): Promise<void> {
    // Also those that were created and never started: an agent was killed between the two calls.
    for (const { Id } of await this.#list()) await removeContainer(this.#docker, Id)
    await this.#network.remove()
    if (!removeImages) return
    await Promise.all((await this.images()).map(({ ref }) => this.removeImage(ref)))
    await this.#removeBaseIfUnused()
  }

  async close(): Promise<void> {
    this.#watch.stop()
  }

  #secretsDir(id: string): string {
    return join(this.#options.home, 'run', 'secrets', id)
  }

  /** Also after somebody removed it (`docker image prune -a`). Several that ask at once share one that is made. */
  #ensureBase(report: (doing: string) => void = () => undefined): Promise<string> {
    return (this.#makingBase ??= this.#makeBase(report).finally(() => (this.#makingBase = undefined)))
  }

  async #makeBase(report: (doing: string) => void): Promise<string> {
    if (this.#base && (await imageExists(this.#docker, this.#base))) return this.#base
    this.#base = await ensureBaseImage(this.#docker, this.#options.baseImage, report)
    return this.#base
  }

  async #baseId(): Promise<string> {
    const idOf = async () => (await this.#docker.getImage(await this.#ensureBase()).inspect()).Id
    try {
      // `null`: another project took it away between the two questions.
      return (await idOf().catch(nullIfMissing)) ?? (await idOf())
    } catch (error) {
      throw translateDockerError(error, 'looking for the base image')
    }
  }

  /** Other projects may build on the same one, and Docker would untag it under their feet rather than refuse. */
  async #removeBaseIfUnused(): Promise<void> {
    const [images, containers] = await Promise.all([
      this.#docker.listImages({ filters: { label: ['ryo-faas'] } }),
      this.#docker.listContainers({ all: true, filters: { label: ['ryo-faas'] } }),
    ])
    const isBase = ({ Labels }: { Labels: Record<string, string> }) => Labels['ryo-faas'] === 'base'
    if (!images.every(isBase) || containers.length > 0) return
    for (const { Id } of images) await this.#docker.getImage(Id).remove().catch(ignoreStatus(404, 409))
  }

  #list(labels: Record<string, string> = {}): Promise<ContainerInfo[]> {
    const label = [...this.#filters.label, `${this.#options.project}=function`]
    for (const [name, value] of Object.entries(labels)) label.push(`${name}=${value}`)
    return this.#docker.listContainers({ all: true, filters: { label } })
  }

  async #inspect(id: string): Promise<ContainerInspectInfo | null> {
    try {
      const [info] = await this.#list({ [`${this.#options.project}.instance`]: id })
      return info ? await this.#docker.getContainer(info.Id).inspect().catch(nullIfMissing) : null
    } catch (error) {
      throw translateDockerError(error, `looking for instance ${id}`)
    }
  }

  async #keepLogs(found: ContainerInspectInfo, id: string): Promise<void> {
    const route = found.Config.Labels[`${this.#options.project}.function`]!
    const lines: LogLine[] = []
    const query = { follow: false, tail: 20_000, signal: AbortSignal.timeout(10_000) }
    for await (const line of containerLogs(this.#docker, { name: found.Id, instance: id }, query)) lines.push(line)
    if (lines.length > 0) await this.#logFiles.write(route, id, lines)
  }
}

/** `project-route:hash` → `project-route`. */
function repositoryOf(ref: string): string {
  return ref.slice(0, ref.lastIndexOf(':'))
}
