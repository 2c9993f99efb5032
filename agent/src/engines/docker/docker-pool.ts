/**
 * Containers that wait for a function: of the base image, locked down like any other, in the project's network, with
 * two empty folders of this machine mounted read-only where code and secrets belong. See `pool-folders.ts` for how one
 * becomes an instance; whatever fails before that, the container is removed.
 *
 * Only where Docker shares our file system.
 */
import type Docker from 'dockerode'
import type { ContainerCreateOptions } from 'dockerode'
import { rm, type FileHandle } from 'node:fs/promises'
import { RyoFaasError } from '../../contract/index.ts'
import { nullIfMissing, removeContainer, translateDockerError } from '../../docker/index.ts'
import type { HandOver } from '@ryo-faas/runtime/protocol'
import type { Pool, Taken } from '../capabilities.ts'
import type { BuiltPackage, Instance, InstanceAddress, InstanceSpec } from '../engine.ts'
import { openFifo, writeFifo } from '../pool/fifo.ts'
import { placePackage } from '../pool/place-package.ts'
import { classesOf, classOf, type PoolClass, type PoolWish } from '../pool/pool-class.ts'
import type { PoolSize } from '../pool/pool-size.ts'
import { WarmPool } from '../pool/warm-pool.ts'
import { writeSecrets } from '../secret-files.ts'
import { APP_FOLDER } from './container-spec.ts'
import type { FunctionContainers } from './function-containers.ts'
import type { PoolFolders } from './pool-folders.ts'

/** A busy machine may boot Node slowly. */
const BOOT_MS = 10_000
/** Docker's own default differs: the limits that waiting containers have until they are handed over. */
const LIMITS = { cpus: 1, pids: 128 }

interface Waiting {
  poolId: string
  container: string
  address: InstanceAddress
  begunAt: number
  limits: InstanceSpec['limits']
}

export interface DockerPoolOptions extends PoolSize {
  docker: Docker
  project: string
  containers: FunctionContainers
  folders: PoolFolders
  /** Egress of the platform, where a function's own would need another network. */
  egress: 'internet' | 'none'
  /** The container of such a spec, with folders for its code and secrets. */
  containerOptions: (waiter: {
    poolId: string
    of: PoolClass
    limits: InstanceSpec['limits']
  }) => Promise<ContainerCreateOptions>
  addressOf: (container: Docker.ContainerInspectInfo) => InstanceAddress
}

export class DockerPool implements Pool {
  readonly #options: DockerPoolOptions
  readonly #pool: WarmPool<Waiting>
  /** A new name keeps nobody waiting but who looks at names. */
  readonly #renaming = new Set<Promise<void>>()
  #swept: Promise<void> | undefined

  constructor(options: DockerPoolOptions) {
    this.#options = options
    this.#pool = new WarmPool(options.size, {
      begin: (of, signal) => this.#begin(of, signal),
      discard: waiting => this.#discard(waiting),
    })
  }

  open(wishes: readonly PoolWish[]): void {
    this.#pool.open(classesOf(wishes))
  }

  async take(spec: Omit<InstanceSpec, 'image'>, built: BuiltPackage, signal: AbortSignal): Promise<Taken> {
    if (signal.aborted) throw new RyoFaasError('CANCELLED', `starting ${spec.route} was cancelled`)
    const { networks, egress } = spec.reach ?? {}
    if (networks?.length) return { kind: 'none', why: 'it joins networks' }
    if (egress === 'none' && this.#options.egress !== 'none') return { kind: 'none', why: 'its network has no way out' }
    const of = classOf(spec, built)
    if ('why' in of) return { kind: 'none', why: of.why }
    for (;;) {
      const waiting = this.#pool.take(of)
      if (waiting === undefined) return { kind: 'none', why: this.#emptiness(of) }
      const instance = await this.#handOver(waiting, spec, built)
      if (instance !== undefined) return { kind: 'taken', instance }
    }
  }

  /** How many wait. */
  get count(): number {
    return this.#pool.count
  }

  /** Resolves when every container that was handed over has its name. */
  async named(): Promise<void> {
    await Promise.all(this.#renaming)
  }

  async close(): Promise<void> {
    await this.#pool.close()
    await this.named()
  }

  /** Stops, and removes what waits. */
  async empty(): Promise<void> {
    await this.#pool.empty()
  }

  #emptiness({ memoryMb }: PoolClass): string {
    const { failure } = this.#pool
    const why = failure === undefined ? '' : ` (${failure})`
    return `no container with ${memoryMb} MB is waiting${why}`
  }

  async #begin(of: PoolClass, signal: AbortSignal): Promise<Waiting> {
    const { docker, folders, containerOptions, addressOf } = this.#options
    await (this.#swept ??= removeStrays(this.#options))
    const poolId = await folders.make(this.#options)
    const limits = { ...LIMITS, memoryMb: of.memoryMb }
    let created: Docker.Container | undefined
    try {
      created = await docker.createContainer(await containerOptions({ poolId, of, limits }))
      signal.throwIfAborted()
      await created.start()
      const address = addressOf(await created.inspect())
      return { poolId, container: created.id, address, begunAt: performance.now(), limits }
    } catch (error) {
      if (created) await removeContainer(docker, created.id)
      await folders.remove(poolId)
      throw translateDockerError(error, 'starting a container that waits for a function')
    }
  }

  async #discard({ container, poolId }: Pick<Waiting, 'container' | 'poolId'>): Promise<void> {
    await removeContainer(this.#options.docker, container)
    await this.#options.folders.remove(poolId)
  }

  /** @returns undefined if that container was not waiting, or something went wrong: it is gone then */
  async #handOver(
    waiting: Waiting,
    spec: Omit<InstanceSpec, 'image'>,
    built: BuiltPackage,
  ): Promise<Instance | undefined> {
    const { folders, project } = this.#options
    const { poolId, address } = waiting
    const name = `${project}-${spec.route}--${spec.id}`
    const startedAt = new Date().toISOString()
    let pipe: FileHandle | undefined
    try {
      const isAlive = () => this.#isRunning(waiting)
      pipe = await openFifo(folders.pipe(poolId), { isAlive, deadline: waiting.begunAt + BOOT_MS })
      if (pipe === undefined) throw new RyoFaasError('ENGINE_FAILED', 'it does not wait')
      await Promise.all([
        folders.save(poolId, spec, startedAt),
        placePackage(built.dir, folders.codeFolder(poolId)),
        writeSecrets(folders.secretsFolder(poolId), spec.secrets),
        this.#limit(waiting, spec),
        folders.removeWaiter(poolId),
      ])
      // Both ends are open. From here on it is that instance, whatever happens to us.
      await rm(folders.pipe(poolId))
      await writeFifo(pipe, JSON.stringify(handOverOf(spec)))
      await pipe.close()
    } catch {
      await pipe?.close().catch(() => undefined)
      // Whoever asked starts a new one; if Docker is the problem, that says so.
      await this.#discard(waiting).catch(() => undefined)
      return undefined
    }
    const { id, route, version } = spec
    this.#rename(waiting, name)
    return { id, route, version, name, startedAt, origin: 'pool', state: { kind: 'running', address } }
  }

  async #isRunning({ container }: Waiting): Promise<boolean> {
    const found = await this.#options.docker.getContainer(container).inspect().catch(nullIfMissing)
    return found?.State.Running === true
  }

  async #limit({ container, limits: has }: Waiting, { limits }: Pick<InstanceSpec, 'limits'>): Promise<void> {
    if (limits.cpus === has.cpus && limits.pids === has.pids) return
    const changes = { NanoCpus: Math.round(limits.cpus * 1e9), PidsLimit: limits.pids }
    await this.#options.docker.getContainer(container).update(changes)
  }

  #rename({ container }: Waiting, name: string): void {
    const rename = async () => {
      // If it is gone, or Docker is, who looks for it next finds out.
      await this.#options.docker
        .getContainer(container)
        .rename({ name })
        .catch(() => undefined)
      this.#renaming.delete(renaming)
    }
    const renaming: Promise<void> = rename()
    this.#renaming.add(renaming)
  }
}

function handOverOf({ command, secrets, env }: Omit<InstanceSpec, 'image'>): HandOver {
  const entry = command.at(-1)!
  return { entry: entry.startsWith('/') ? entry : `${APP_FOLDER}/${entry}`, env: { ...secrets, ...env } }
}

/**
 * Containers that waited for an earlier agent, or were just being handed over, and folders without a container.
 *
 * None is adopted. Code, secrets and limits are put there while the record is written, because a call waits for all of
 * them; so what has no record may hold the secrets of a function already, or have its limits. To tell, a hand-over would
 * have to begin with one more durable write. That is too much for what it saves: `size` containers, begun when the
 * machine is quiet, each time that an agent dies.
 */
export async function removeStrays({
  docker,
  containers,
  folders,
}: Pick<DockerPoolOptions, 'docker' | 'containers' | 'folders'>): Promise<void> {
  const found = await containers.listPool()
  const kept = new Set<string>()
  for (const { Id, Labels } of found) {
    const poolId = containers.poolIdOf(Labels)
    if ((await containers.identityOf(Labels)) === undefined) await removeContainer(docker, Id)
    else if (poolId !== undefined) kept.add(poolId)
  }
  for (const poolId of await folders.all()) if (!kept.has(poolId)) await folders.remove(poolId)
}
