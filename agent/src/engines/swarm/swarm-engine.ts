/**
 * Functions on the machines of a Docker swarm. See `../engine.ts` for the invariants.
 *
 * An instance is a service with one task. Swarm chooses the machine and brings image, secrets and network there; how many
 * there are, whether one is ready and what replaces it is decided by the deployer, as on every engine: a task that ended,
 * or whose machine is lost, stays listed as exited until it is stopped.
 *
 * Instances are reached at a port of their machine (host mode), because neither the proxy nor this process is on an overlay
 * network; virtual addresses and the routing mesh would choose an instance by themselves.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import type { CreateServiceOptions } from 'dockerode'
import pLimit from 'p-limit'
import { RyoFaasError } from '../../contract/index.ts'
import { ignoreStatus, nullIfMissing } from '../../docker/index.ts'
import { ownAddressTowards } from '../../host/index.ts'
import type { CommandNeeds, Engine, Instance, InstanceSpec, NativeSurroundings, Prepared } from '../engine.ts'
import { baseImageLibraries, type BaseImageSource } from '../docker/base-image.ts'
import { APP_FOLDER } from '../docker/container-spec.ts'
import { modulesOf } from '../native-surroundings.ts'
import { imageGone } from '../package-folder.ts'
import { NODE_BASE } from '../pool/pool-class.ts'
import { HandedOver } from './handed-over.ts'
import { ImageServer } from './image-server.ts'
import type { Registry } from '../oci/registry.ts'
import { constraintsOf, serviceName, serviceSpec } from './service-spec.ts'
import { writeMissingPorts, writePort } from './service-ports.ts'
import { addressOf, platformHosts, type SwarmInfo, type SwarmService } from './swarm-api.ts'
import { noLeader, patiently, translateSwarmError } from './swarm-errors.ts'
import { OciImages } from '../oci/oci-images.ts'
import { hasEnded, hasRun, phaseOf, toInstance } from './swarm-instance.ts'
import { SwarmLogs } from './swarm-logs.ts'
import { SwarmNetworks } from './swarm-network.ts'
import { SwarmView, type SeenTask } from './swarm-view.ts'

const LOOK_EVERY_MS = 50
/** A machine with some twenty containers starting fails to mount the secrets of one now and then (moby: “busy”). */
const STARTS_AT_ONCE = 12
/** Swarm says at once that no machine fits; one may be about to come back. */
const UNPLACED_MS = 5_000
/** Swarm waits two seconds before it asks a task to end, so that others know; and some time to tell us. */
const STOP_MARGIN_MS = 10_000
const GWBRIDGE = 'docker_gwbridge'

export interface SwarmEngineOptions {
  docker: Docker
  note: string
  project: string
  home: string
  sourceOf: (base: string) => Promise<BaseImageSource>
  /** Variables that functions get unless they set them. */
  baseEnv?: Record<string, string>
  /** Agents on other managers may lead later. */
  hasStandBys?: boolean
  /** From which the machines fetch images; default: from this agent. */
  registry?: Registry | undefined
}

/** What is known of this machine once the engine is prepared. */
interface Place {
  address: string
  /** For /etc/hosts. */
  hosts: string[]
  images: ImageServer
  prepared: Prepared
}

export class SwarmEngine implements Engine {
  readonly kind = 'swarm'
  readonly note: string
  readonly isolation = { label: 'in containers on the machines of a swarm' }
  readonly runsInPlace = false
  readonly isShared = true
  readonly isExposed = true
  readonly images: OciImages
  readonly logs: SwarmLogs
  readonly #docker: Docker
  readonly #options: SwarmEngineOptions
  readonly #view: SwarmView
  readonly #networks: SwarmNetworks
  readonly #handed: HandedOver
  readonly #starts = pLimit(STARTS_AT_ONCE)
  /** Instances whose services are being created. */
  readonly #starting = new Set<string>()
  /** What goes on after `stop` has resolved. */
  readonly #ending = new Set<Promise<void>>()
  /** Services from before are of another agent. */
  #leadsSince: number | undefined
  #place: Promise<Place> | undefined
  #host: string | undefined

  constructor(options: SwarmEngineOptions) {
    const { docker, project, home, note, sourceOf, registry } = options
    this.note = note
    this.#docker = docker
    this.#options = options
    this.#view = new SwarmView(docker, project)
    this.#networks = new SwarmNetworks(docker, project)
    this.#handed = new HandedOver(docker, project)
    const maker = 'the engine "swarm"'
    this.images = new OciImages({ folder: join(home, 'images'), maker, project, sourceOf, registry })
    this.logs = new SwarmLogs(docker, this.#view, home)
  }

  /** Looks again, if it has before: machines join and leave. */
  async prepare(report: (doing: string) => void): Promise<Prepared> {
    const [place] = await Promise.all([this.#lookAgain(), this.images.ensureBase(report)])
    return place.prepared
  }

  codeFolderOf(): string {
    return APP_FOLDER
  }

  /** Swarm limits the memory; a debugger's port would be open to the network. */
  commandNeeds(): CommandNeeds {
    return {}
  }

  async surroundings(base = NODE_BASE): Promise<NativeSurroundings> {
    const system = 'linux'
    const source = base === 'scratch' ? undefined : await this.#options.sourceOf(base)
    if (source?.kind !== 'assemble') return { system }
    const { nodePath } = source
    const [modules, libraries] = await Promise.all([modulesOf(nodePath), baseImageLibraries(nodePath)])
    return { system, modules, libraries }
  }

  start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    this.#leadsSince ??= Date.now()
    let isBegun = false
    return patiently(async () => {
      if (isBegun) await this.stop(spec.id, 0)
      isBegun = true
      return this.#starts(() => this.#start(spec, signal))
    }, signal)
  }

  async instance(id: string): Promise<Instance | undefined> {
    const seen = await this.#view.of(id)
    return seen && this.#toInstance(seen)
  }

  async instances(route?: string): Promise<Instance[]> {
    const seen = await this.#view.look()
    return seen
      .filter(({ is }) => route === undefined || is.route === route)
      .flatMap(each => this.#toInstance(each) ?? [])
  }

  async stop(id: string, graceMs: number): Promise<void> {
    const seen = await this.#view.of(id)
    const isRunning = seen !== undefined && phaseOf(seen) === 'running'
    if (seen !== undefined && !isRunning && phaseOf(seen) === 'ended' && hasRun(seen.task)) {
      await this.logs.keep(seen.is, seen.task.ID, false)
    }
    const kept = isRunning ? this.logs.keep(seen.is, seen.task.ID, true) : undefined
    await this.#removeServices([`${this.#options.project}.instance=${id}`])
    await this.#handed.remove(id)
    if (seen === undefined) return
    // Swarm takes a moment to tell its tasks.
    await this.#until(async () => {
      const now = await this.#view.of(id)
      return now === undefined || phaseOf(now) === 'going'
    }, STOP_MARGIN_MS)
    const ended = this.#finish(seen, graceMs, kept)
    this.#ending.add(ended)
    void ended.finally(() => this.#ending.delete(ended))
    if (graceMs > 0) await ended
  }

  silence(): RyoFaasError {
    return noLeader()
  }

  watch(onChange: () => void): void {
    this.#view.watch(onChange)
    // Not by one that only prepares: what another agent is starting is not placed yet, either.
    void this.#lookAfterFound().catch(() => undefined)
  }

  async cleanUp(removeImages: boolean): Promise<void> {
    const { project } = this.#options
    await this.#removeServices([`ryo-faas=${project}`])
    await this.#handed.remove()
    await Promise.all(this.#ending)
    await this.#until(async () => (await this.#view.look()).every(hasEnded), STOP_MARGIN_MS)
    await this.#until(async () => {
      await this.#networks.removeUnused()
      return (await this.#networks.remaining()) === 0
    }, STOP_MARGIN_MS)
    if (removeImages) await this.images.removeAll()
  }

  async close(): Promise<void> {
    this.#view.close()
    const place = await this.#place?.catch(() => undefined)
    place?.images.close()
  }

  #placed(): Promise<Place> {
    return (this.#place ??= this.#find().catch((error: unknown) => {
      this.#place = undefined
      throw error
    }))
  }

  /** What was found before stays if nothing can be found now. */
  async #lookAgain(): Promise<Place> {
    const before = await this.#place?.catch(() => undefined)
    if (before === undefined) return this.#placed()
    const place = await this.#find(before)
    this.#place = Promise.resolve(place)
    return place
  }

  /** @throws RyoFaasError ENGINE_FAILED, DOCKER_UNREACHABLE */
  async #find(before?: Place): Promise<Place> {
    try {
      const [info, nodes] = await Promise.all([this.#docker.info() as Promise<SwarmInfo>, this.#view.nodes()])
      // Docker may be on another machine than this process.
      const address = await ownAddressTowards(info.Swarm?.NodeAddr ?? '')
      const bridge = await this.#docker.getNetwork(GWBRIDGE).inspect().catch(nullIfMissing)
      const own = ((bridge?.IPAM?.Config ?? []) as { Subnet?: string }[]).flatMap(({ Subnet }) => Subnet ?? [])
      const machines = nodes.map(addressOf).map(each => `${each}/${each.includes(':') ? 128 : 32}`)
      const isMachine = (from: string) => this.#view.isMachine(from)
      const isSame = before?.address === address
      const images = isSame
        ? before.images
        : await ImageServer.start({ host: address, blobs: this.images.blobs, isMachine })
      if (!isSame) before?.images.close()
      // Instances come with the address of their machine, except those of this one.
      const listenHosts = [{ host: address, peers: [...own, ...machines].sort() }]
      const others = this.#options.hasStandBys === true ? nodes : []
      const hosts = platformHosts(address, others, this.#proxyHost)
      this.#host = hosts[0]
      return { address, hosts, images, prepared: { reach: { proxyHost: this.#proxyHost, listenHosts }, warnings: [] } }
    } catch (error) {
      throw translateSwarmError(error, 'looking at the swarm')
    }
  }

  /** The machines are given what the registry asks for. */
  async #create(service: CreateServiceOptions): Promise<void> {
    const { registry } = this.#options
    const credentials = await registry?.credentials()
    if (registry === undefined || credentials === undefined) await this.#docker.createService(service)
    else await this.#docker.createService({ ...credentials, serveraddress: registry.host }, service)
  }

  async #start(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    if (signal.aborted) throw cancelled(spec)
    if (spec.reach?.egress === 'none') {
      throw new RyoFaasError(
        'UNSUPPORTED',
        `"egress": "none" of ${spec.route} cannot be enforced by the engine "swarm"`,
      )
    }
    const [place, found] = await Promise.all([this.#placed(), this.images.find(spec.image)])
    if (found === undefined) throw imageGone(spec)
    const { project, baseEnv: defaults = {}, registry } = this.#options
    this.#starting.add(spec.id)
    try {
      const [own, handed] = await Promise.all([this.#networks.ensure(spec.route), this.#handed.create(spec)])
      const service = serviceSpec(spec, {
        ...{ project, handed, defaults },
        image: `${registry?.address ?? place.images.address}/${project}@${found.manifest.digest}`,
        networks: [own, ...(spec.reach?.networks ?? [])],
        hosts: place.hosts,
        constraints: constraintsOf(spec.nodes),
      })
      await this.#create(service).catch((error: unknown) => {
        throw translateSwarmError(error, `creating a service for ${spec.route}`)
      })
      return await this.#placedInstance(spec, signal)
    } catch (error) {
      await this.stop(spec.id, 0)
      throw error
    } finally {
      this.#starting.delete(spec.id)
    }
  }

  /** Waits until Swarm has a machine for it and it runs there. @throws RyoFaasError START_FAILED, CANCELLED */
  async #placedInstance(spec: InstanceSpec, signal: AbortSignal): Promise<Instance> {
    let unplacedSince: number | undefined
    for (;;) {
      if (signal.aborted) throw cancelled(spec)
      const seen = await this.#view.of(spec.id)
      if (seen !== undefined) {
        const instance = this.#toInstance(seen)
        const { State, Err = '' } = seen.task.Status
        if (instance?.state.kind === 'exited' && !hasRun(seen.task)) {
          throw new RyoFaasError('START_FAILED', `${spec.route} did not start on ${hostOf(seen)}: ${Err}`)
        }
        if (instance !== undefined) {
          if (instance.state.kind === 'running')
            await writePort(this.#docker, seen.task.ServiceID, instance.state.address.port)
          return instance
        }
        if (State === 'pending' && Err !== '') unplacedSince ??= performance.now()
        else unplacedSince = undefined
        if (unplacedSince !== undefined && performance.now() - unplacedSince > UNPLACED_MS) {
          throw new RyoFaasError('START_FAILED', `no machine of the swarm takes ${spec.route}: ${Err}`, {
            hint: 'See: docker node ls',
          })
        }
      }
      await delay(LOOK_EVERY_MS)
    }
  }

  /** After its service is gone: its end, its output, and the network if it was the last in it. */
  async #finish(seen: SeenTask, graceMs: number, kept: Promise<void> | undefined): Promise<void> {
    await this.#until(async () => {
      const now = (await this.#view.look()).find(({ task }) => task.ID === seen.task.ID)
      return now === undefined || hasEnded(now)
    }, graceMs + STOP_MARGIN_MS)
    await kept?.catch(() => undefined)
    const { route } = seen.is
    const isUsed = (await this.#view.look().catch(() => undefined))?.some(({ is }) => is.route === route) ?? true
    if (!isUsed) await this.#networks.removeUnused(route).catch(() => undefined)
  }

  /**
   * Of agents before this one. What Swarm had no machine for yet is removed, and so is what nobody knows the port of any
   * more: the deployer does not see it, and starts others.
   */
  async #lookAfterFound(): Promise<void> {
    const leadsSince = (this.#leadsSince ??= Date.now())
    const [services, seen] = await Promise.all([
      this.#services([`ryo-faas=${this.#options.project}`]),
      this.#view.look(),
    ])
    const idOf = ({ Spec }: SwarmService) => Spec.Labels[`${this.#options.project}.instance`]
    const found = services.filter(service => idOf(service) !== undefined && !this.#starting.has(idOf(service)!))
    await writeMissingPorts(this.#docker, found, seen).catch(() => undefined) // They are reached as long as this agent lives.
    const there = new Set(seen.filter(each => phaseOf(each) !== 'coming').map(({ task }) => task.ServiceID))
    for (const service of found) {
      const isOld = Date.parse(service.CreatedAt) < leadsSince
      if (!there.has(service.ID) && isOld) await this.stop(idOf(service)!, 0)
    }
  }

  async #removeServices(label: string[]): Promise<void> {
    try {
      const services = await this.#services(label)
      await Promise.all(services.map(({ ID }) => this.#docker.getService(ID).remove().catch(ignoreStatus(404))))
    } catch (error) {
      throw translateSwarmError(error, 'removing services')
    }
  }

  async #services(label: string[]): Promise<SwarmService[]> {
    return (await this.#docker.listServices({ filters: { label } })) as unknown as SwarmService[]
  }

  #toInstance(seen: SeenTask): Instance | undefined {
    return toInstance(seen, serviceName(this.#options.project, seen.is), this.#host)
  }

  /** Resolves when it holds, or the time is over: what is then left is on a machine that does not respond. */
  async #until(holds: () => Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs
    while (performance.now() < deadline) {
      if (await holds().catch(isNoAnswer)) return
      await delay(2 * LOOK_EVERY_MS)
    }
  }

  get #proxyHost(): string {
    return `${this.#options.project}-proxy`
  }
}

function isNoAnswer(): false {
  return false
}

function hostOf({ node }: SeenTask): string {
  return node?.Description.Hostname ?? 'any machine'
}

function cancelled({ route }: Pick<InstanceSpec, 'route'>): RyoFaasError {
  return new RyoFaasError('CANCELLED', `starting ${route} was cancelled`)
}
