/** Functions as containers, through the Docker API. See `../engine.ts` for the invariants. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type Docker from 'dockerode'
import { dockerfileOf, RyoFaasError, SCRATCH_BASE } from '../../contract/index.ts'
import type { ContainerInspectInfo } from 'dockerode'
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
import { writeCertificates } from '../certificate-file.ts'
import { ignoredNodes } from '../one-machine.ts'
import { imageGone } from '../package-folder.ts'
import type { PoolSize } from '../pool/pool-size.ts'
import { writeSecrets } from '../secret-files.ts'
import { baseImageLibraries, type BaseImageSource } from './base-image.ts'
import { ContainerFreezing } from './container-freezing.ts'
import { addressOf, inspectSettled, toInstance } from './container-instance.ts'
import { APP_FOLDER, containerOptions, DEBUG_PORT, joinedLabel, type ContainerContext } from './container-spec.ts'
import { DockerImages } from './docker-images.ts'
import { DockerLogs } from './docker-logs.ts'
import { DockerPool, removeStrays, type DockerPoolOptions } from './docker-pool.ts'
import { EngineWatch } from './engine-watch.ts'
import { FunctionContainers } from './function-containers.ts'
import { closeLinkLocal, joiningLabel, leave, planJoining } from './joined-networks.ts'
import { PIPE_FILE, PoolFolders, WAITER_FILES } from './pool-folders.ts'
import { ProjectNetwork, type Egress } from './project-network.ts'

/** Docker needs no longer from the creation of a container to its start. */
const UNSTARTED_MS = 60_000

export interface DockerEngineOptions extends DockerConnection {
  project: string
  home: string
  baseImage: BaseImageSource
  /** For packages that ask for another base than `node`. */
  otherBaseImage?: (base: string) => Promise<BaseImageSource>
  /** Default: internet. */
  egress?: Egress
  /** Variables that functions get unless they set them. */
  baseEnv?: Record<string, string>
  /** How many containers wait for functions, and the module that they run. Default: none. */
  pool?: PoolSize | undefined
}

export class DockerEngine implements Engine {
  readonly kind = 'docker'
  readonly note: string
  readonly isolation = { label: 'in containers' }
  readonly runsInPlace = false
  readonly images: DockerImages
  readonly logs: DockerLogs
  readonly debug = { port: freePort }
  readonly pool?: DockerPool
  readonly freeze: ContainerFreezing
  readonly #docker: Docker
  readonly #options: DockerEngineOptions
  readonly #folders: PoolFolders
  readonly #containers: FunctionContainers
  readonly #network: ProjectNetwork
  /** For functions without egress; absent if none has one, or where it cannot be enforced. */
  readonly #closed: ProjectNetwork | undefined
  readonly #watch: EngineWatch
  /** Instances whose containers are being created and started. */
  readonly #starting = new Set<string>()
  readonly #madeAt = Date.now()

  constructor(options: DockerEngineOptions) {
    const { docker, project, reach, egress = 'internet' } = options
    this.note = options.note
    this.#docker = docker
    this.#options = options
    this.#folders = new PoolFolders(options.home)
    this.#containers = new FunctionContainers(docker, project, this.#folders)
    const isLocal = reach === 'bridge'
    this.#network = new ProjectNetwork(docker, { project, egress, isLocal })
    if (isLocal && egress === 'internet') {
      this.#closed = new ProjectNetwork(docker, { project, egress: 'none', isLocal, isForClosed: true })
    }
    this.freeze = new ContainerFreezing(docker, this.#containers, options)
    this.#watch = new EngineWatch(docker, { label: [`ryo-faas=${project}`] })
    this.images = new DockerImages(options)
    this.logs = new DockerLogs(this.#containers, options)
    const { pool } = options
    if (pool !== undefined && pool.size > 0 && isLocal) {
      this.pool = new DockerPool({
        ...{ ...options, ...pool, egress, containers: this.#containers, folders: this.#folders },
        containerOptions: waiter => this.#waitingContainer(waiter),
        addressOf: found => addressOf(found, options),
      })
    }
  }

  async prepare(report: (doing: string) => void): Promise<Prepared> {
    const networks = this.#closed === undefined ? [this.#network] : [this.#network, this.#closed]
    const ensured = Promise.all(networks.map(network => network.ensure()))
    const [places] = await Promise.all([ensured, this.images.ensureBase(report)])
    const own = this.#options.reach === 'bridge' ? places : []
    // Else the pool does it, before it begins.
    if (this.pool === undefined) void this.#removeStrays().catch(() => undefined)
    const listenHosts = own.map(({ gateway, subnet }) => ({ host: gateway, peers: [subnet] }))
    return {
      reach: { proxyHost: this.#proxyHost, listenHosts },
      warnings: [...this.#network.warnings, ...(this.#closed?.warnings ?? [])],
    }
  }

  codeFolderOf(): string {
    return APP_FOLDER
  }

  ignored({ nodes }: Pick<InstanceSpec, 'nodes'>): string[] {
    return ignoredNodes(nodes)
  }

  /** Docker limits the memory. */
  commandNeeds({ debugPort }: Pick<InstanceSpec, 'debugPort'>): CommandNeeds {
    return debugPort === undefined ? {} : { debug: { host: '0.0.0.0', port: DEBUG_PORT } }
  }

  /** A pulled image is unknown. */
  async surroundings(base?: string): Promise<NativeSurroundings> {
    const system = 'linux'
    if (base === SCRATCH_BASE || dockerfileOf(base) !== undefined) return { system }
    const baseImage = await this.images.sourceOf(base)
    if (baseImage.kind !== 'assemble') return { system }
    const { nodePath } = baseImage
    const [modules, libraries] = await Promise.all([modulesOf(nodePath), baseImageLibraries(nodePath)])
    return { system, modules, libraries }
  }

  async start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const { reach, home } = this.#options
    const network = this.#networkFor(spec)
    const joinings = await planJoining(this.#docker, spec.reach ?? {}, { isLocal: reach === 'bridge' })
    const [secretsDir, certificates, shared] = await Promise.all([
      writeSecrets(this.#secretsDir(spec.id), spec.secrets),
      writeCertificates(home, spec.certificates),
      this.#sharedBy(network),
    ])
    const joined = { joinings, joined: joiningLabel(joinings) }
    const options = containerOptions(spec, { ...shared, ...joined, secretsDir, certificates })
    try {
      await closeLinkLocal(joinings)
      this.#starting.add(spec.id)
      const container = await this.#docker.createContainer(options)
      await container.start()
      return toInstance(await container.inspect(), spec, this.#options)
    } catch (error) {
      await this.stop(spec.id, 0)
      await leave(joiningLabel(joinings))
      if (isDockerStatus(error, 404) && !(await imageExists(this.#docker, spec.image))) throw imageGone(spec, error)
      throw translateDockerError(error, `starting a container for ${spec.route}`)
    } finally {
      this.#starting.delete(spec.id)
    }
  }

  async promote(id: string): Promise<void> {
    await this.pool?.named()
    const found = await this.#containers.find(id)
    if (!found) return
    const is = await this.#containers.identityOf(found.Config.Labels)
    const name = `${this.#options.project}-${is?.route}`
    if (found.Name === `/${name}`) return
    try {
      const holder = await this.#docker.getContainer(name).inspect().catch(nullIfMissing)
      if (holder) {
        const holderId = (await this.#containers.identityOf(holder.Config.Labels))?.id
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
    await this.pool?.named()
    const found = await this.#containers.find(id)
    if (found) {
      const container = this.#docker.getContainer(found.Id)
      try {
        if (await this.freeze.isFrozen(id, found)) await this.freeze.thaw(id)
        if (found.State.Running && graceMs > 0) {
          await container.stop({ t: Math.ceil(graceMs / 1000) }).catch(ignoreStatus(304, 404))
        }
        await this.logs.keep(found, id)
        await removeContainer(this.#docker, found.Id)
        await leave(found.Config.Labels[joinedLabel(this.#options.project)] ?? '')
      } catch (error) {
        throw translateDockerError(error, `stopping ${found.Name}`)
      }
    }
    const poolId = await this.#folders.poolIdOf(id)
    if (poolId !== undefined) await this.#folders.remove(poolId)
    this.freeze.forget(id)
    await rm(this.#secretsDir(id), { recursive: true, force: true })
  }

  watch(onChange: () => void): void {
    this.#watch.start({
      onConnected: () => {
        this.freeze.expectNone()
        onChange()
      },
      onEvent: event => {
        if (!this.freeze.caused(event)) onChange()
      },
    })
  }

  async cleanUp(removeImages: boolean): Promise<void> {
    await this.pool?.empty()
    // Also containers that were created and never started: an agent was killed between the two calls.
    for (const { info } of await this.#containers.list()) {
      await removeContainer(this.#docker, info.Id)
      await leave(info.Labels[joinedLabel(this.#options.project)] ?? '')
    }
    await this.#removeStrays()
    await this.#folders.removeAll()
    await Promise.all([this.#network.remove(), this.#closed?.remove()])
    if (removeImages) await this.images.removeAll()
  }

  async close(): Promise<void> {
    this.#watch.stop()
    await this.pool?.close()
  }

  async #inspected(only: { route?: string; id?: string }): Promise<Instance[]> {
    try {
      await this.pool?.named()
      const containers = await this.#containers.list(only)
      const inspected = await Promise.all(containers.map(({ info }) => inspectSettled(this.#docker, info.Id)))
      const instances = containers.map(async ({ is }, index) => {
        const found = inspected[index]
        if (found?.State.Status === 'created') this.#removeUnstarted(is.id, found)
        if (!found || found.State.Status === 'created') return []
        return [toInstance(found, { ...is, isFrozen: await this.freeze.isFrozen(is.id, found) }, this.#options)]
      })
      return (await Promise.all(instances)).flat()
    } catch (error) {
      throw translateDockerError(error, 'listing containers')
    }
  }

  /** Created, and not started: an agent died between the two calls, unless we are about to make the second. */
  #removeUnstarted(id: string, { Created }: ContainerInspectInfo): void {
    const createdAt = Date.parse(Created)
    const isOfAnother = createdAt < this.#madeAt || createdAt < Date.now() - UNSTARTED_MS
    if (this.#starting.has(id) || !isOfAnother) return
    this.#starting.add(id)
    // The next look finds it again.
    const forget = () => void this.#starting.delete(id)
    void this.stop(id, 0).then(forget, forget)
  }

  /** What all containers in a network have in common. */
  async #sharedBy(network: ProjectNetwork) {
    const { project, reach, baseEnv: defaults = {} } = this.#options
    const { gateway } = network.place ?? (await network.ensure())
    return {
      ...{ project, reach, defaults },
      network: network.name,
      extraHosts: [
        `${this.#proxyHost}:${reach === 'bridge' ? gateway : 'host-gateway'}`,
        // Without a way out there is no way to it.
        ...(network.isClosed ? [] : ['host.docker.internal:host-gateway']),
      ],
    } satisfies Partial<ContainerContext>
  }

  async #waitingContainer({ poolId, of, limits }: Parameters<DockerPoolOptions['containerOptions']>[0]) {
    const [image, shared, certificates] = await Promise.all([
      this.images.baseId(of.base),
      this.#sharedBy(this.#network),
      writeCertificates(this.#options.home, of.certificates),
    ])
    const files = [WAITER_FILES.waiter, WAITER_FILES.runtime, PIPE_FILE].map(name => `${APP_FOLDER}/${name}`)
    const command = ['node', ...of.flags, ...files]
    const codeDir = this.#folders.codeFolder(poolId)
    const secretsDir = this.#folders.secretsFolder(poolId)
    return containerOptions(
      { id: poolId, route: '', version: 0, image, command, env: {}, secrets: {}, limits },
      { ...shared, secretsDir, certificates, waiter: { poolId, codeDir } },
    )
  }

  #removeStrays(): Promise<void> {
    return removeStrays({ docker: this.#docker, containers: this.#containers, folders: this.#folders })
  }

  /** @throws RyoFaasError UNSUPPORTED */
  #networkFor({ route, reach }: InstanceSpec): ProjectNetwork {
    if (reach?.egress !== 'none' || this.#network.isClosed) return this.#network
    if (this.#closed !== undefined) return this.#closed
    throw new RyoFaasError('UNSUPPORTED', `"egress": "none" of ${route} cannot be enforced with ${this.note}`, {
      hint: 'This needs Docker on this Linux machine.',
    })
  }

  get #proxyHost(): string {
    return `${this.#options.project}-proxy`
  }

  #secretsDir(id: string): string {
    return join(this.#options.home, 'run', 'secrets', id)
  }
}
