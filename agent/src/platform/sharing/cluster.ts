/**
 * This agent among those of its platform: it leads or stands by. Crash-only: who led and does not lead any more ends its
 * process, and the keeper brings one that stands by.
 */
import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { FastifyBaseLogger } from 'fastify'
import { BusError, readServerUrls, type Bus } from '../../bus/index.ts'
import {
  connectPeer,
  Contents,
  Lease,
  Members,
  newClusterKey,
  PeerDoor,
  Seal,
  SharedFolders,
  SharedRecord,
  type LeaseState,
} from '../../cluster/index.ts'
import { RyoFaasError, type ClusterView } from '../../contract/index.ts'
import { ownAddressTowards, readIfPresent, writeDurably } from '../../host/index.ts'
import type { SecretStore } from '../../secrets/index.ts'
import { takeSecrets, type EnsuredSecrets } from '../ensured-secrets.ts'
import { parseAddress } from '../https-front.ts'
import type { Home } from '../launch.ts'
import type { PlatformOptions } from '../options.ts'
import { connectAgents } from '../parts/given-nats.ts'
import { EngineGuard } from './guarded-engine.ts'
import { SharedHome } from './shared-home.ts'

export interface ClusterOptions {
  home: Home
  secrets: SecretStore
  options: PlatformOptions
  version: string
  /** The Docker whose containers it takes for its own. */
  docker: string | undefined
  log: FastifyBaseLogger
  /** Who leads, or which agents there are, has changed. */
  onChange: () => void
  /** Another agent leads: nothing more may be done here. */
  onDeposed: () => void
}

/** What happens to this agent. */
export interface ClusterRun {
  /** Port of the own API, on loopback. */
  port: number
  /** It leads from now on. At most once. */
  onLead: (epoch: number) => void
}

const FOLLOW_MS = 1_000
const COLLECT_MS = 600_000

export class Cluster {
  /** The same on all machines. */
  readonly keys: EnsuredSecrets
  readonly guard: EngineGuard
  readonly #options: ClusterOptions
  readonly #bus: Bus
  readonly #seal: Seal
  readonly #home: SharedHome
  readonly #id: string
  readonly #timers: NodeJS.Timeout[] = []
  #lease: Lease | undefined
  #members: Members | undefined
  #door: PeerDoor | undefined
  #isLeaving = false
  #wasHeld = false

  private constructor(
    options: ClusterOptions,
    own: { bus: Bus; seal: Seal; id: string },
    home: SharedHome,
    keys: EnsuredSecrets,
  ) {
    this.#options = options
    this.#bus = own.bus
    this.#seal = own.seal
    this.#id = own.id
    this.#home = home
    this.keys = keys
    this.guard = new EngineGuard(() => this.isHeld)
  }

  /** @throws RyoFaasError INVALID_OPTION, BAD_NATS, CLUSTER_KEY_WRONG, HOME_UNUSABLE */
  static async join(options: ClusterOptions): Promise<Cluster> {
    const { home, secrets, log } = options
    mustBeShareable(options.options)
    const bus = await connectAgents(options.options)
    try {
      // Not of a backup: another machine has another one.
      const id = await ensureText(join(home.folder, 'run', 'agent-id'), randomUUID)
      const unsealed = new SharedRecord({ bus, ...NOBODY })
      const isFirst = (await unsealed.revision()) === 0
      const seal = new Seal(await clusterKey(options.options.clusterKey, isFirst))
      const contents = new Contents(bus, seal)
      const record = new SharedRecord({
        ...{ bus, seal, contents },
        isHeld: () => cluster.isHeld,
        onDeposed: options.onDeposed,
      })
      const shared = new SharedHome({ home, secrets, record, contents, folders: new SharedFolders(contents), log })
      const { keys, callbackSecret, proxyKey } = await shared.join()
      const taken = await takeSecrets(home.folder, { keys, callbackSecret, proxyKey })
      const cluster: Cluster = new Cluster(options, { bus, seal, id }, shared, taken)
      return cluster
    } catch (error) {
      await bus.close()
      if (error instanceof BusError) throw new RyoFaasError('BAD_NATS', error.message, { cause: error })
      throw error
    }
  }

  get isHeld(): boolean {
    return this.#lease?.isHeld === true
  }

  /**
   * Resolves once it is known who leads.
   * @throws RyoFaasError INVALID_OPTION if another agent has the same Docker
   */
  async start({ port, onLead }: ClusterRun): Promise<'leads' | 'follows'> {
    const { options, version, docker, onChange, onDeposed, log } = this.#options
    const { host, port: wanted } = await addressFor(options)
    this.#door = await PeerDoor.listen({ peerKey: this.#seal.peerKey, host, port: wanted, to: () => port })
    const address = `${host.includes(':') ? `[${host}]` : host}:${this.#door.port}`
    const self = { id: this.#id, name: hostname(), address }
    const announced = { ...self, version, ...(docker !== undefined && { docker }) }
    const members = (this.#members = new Members({ bus: this.#bus, seal: this.#seal, self: announced, onChange }))
    if (docker !== undefined) await mustBeAlone(members, docker)
    return new Promise(resolve => {
      const changed = (state: LeaseState) => {
        log.info({ cluster: state }, 'who leads')
        if (state.kind === 'deposed') return this.#isLeaving ? undefined : onDeposed()
        if (state.kind === 'leading') {
          onLead(state.epoch)
          resolve('leads')
        } else if (state.leader !== undefined) resolve('follows')
        onChange()
      }
      this.#lease = new Lease({ bus: this.#bus, seal: this.#seal, self, onChange: changed })
      this.#lease.start()
      members.start()
      this.#every(FOLLOW_MS, async () => {
        // NATS was away, and nobody else led.
        if (this.isHeld && !this.#wasHeld) this.guard.heldAgain()
        this.#wasHeld = this.isHeld
        if (this.#lease?.state.kind === 'following') await this.#home.follow()
      })
      this.#every(COLLECT_MS, async () => {
        if (this.isHeld) await this.#home.collect()
      })
    })
  }

  /** The home of the last leader becomes this one's. @throws BusError; RyoFaasError LEADER_LOST */
  takeOver(epoch: number): Promise<void> {
    return this.#home.takeOver(epoch)
  }

  /** A connection to the API of the agent that leads. @throws RyoFaasError NOT_LEADING */
  async connectLeader(): Promise<Duplex> {
    const state = this.#lease?.state
    const address = state?.kind === 'following' ? state.leader?.address : undefined
    if (address === undefined) throw new RyoFaasError('NOT_LEADING', 'it is not known yet which agent leads')
    try {
      return await connectPeer(address, this.#seal.peerKey)
    } catch (error) {
      throw new RyoFaasError('NOT_LEADING', `the agent that leads, at ${address}, does not respond`, {
        hint: 'Another one leads in a few seconds: try again.',
        cause: error,
      })
    }
  }

  view(): ClusterView {
    const state = this.#lease?.state
    const leader = state?.kind === 'leading' ? this.#id : state?.kind === 'following' ? state.leader?.id : undefined
    const members = this.#members?.all ?? []
    return {
      role: state?.kind === 'leading' ? 'leads' : 'stands-by',
      agents: members.map(({ id, name, address, version }) => ({
        name,
        version,
        role: id === leader ? ('leads' as const) : ('stands-by' as const),
        isThis: id === this.#id,
        ...(address !== undefined && { address }),
      })),
    }
  }

  /**
   * Lets another agent lead, for good.
   * @returns whether there is one
   */
  async stepDown(): Promise<boolean> {
    const hasOthers = (this.#members?.all ?? []).some(({ id }) => id !== this.#id)
    if (hasOthers) this.guard.handOver()
    this.#isLeaving = true
    for (const timer of this.#timers) clearInterval(timer)
    await this.#members?.leave()
    // Without anybody else it is kept until all has ended.
    if (hasOthers) await this.#lease?.release()
    return hasOthers
  }

  /** Leaves the lease as it is: the next process of this home has it again. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#lease?.close()
    await this.#members?.leave()
    await this.#home.close()
    await this.#door?.close()
    await this.#bus.close()
  }

  #every(ms: number, run: () => Promise<void>): void {
    let isRunning = false
    const once = async () => {
      if (isRunning) return
      isRunning = true
      try {
        await run()
      } catch (error) {
        if (!(error instanceof BusError)) this.#options.log.warn({ err: error }, 'following the agent that leads')
      } finally {
        isRunning = false
      }
    }
    this.#timers.push(setInterval(() => void once(), ms))
  }
}

/** For what is asked before there is a key. */
const NOBODY = {
  seal: new Seal(newClusterKey()),
  contents: {
    put: () => Promise.reject(new Error('nothing is written')),
    get: () => Promise.reject(new Error('nothing is read')),
  },
  isHeld: () => false,
  onDeposed: () => undefined,
}

/** @throws RyoFaasError INVALID_OPTION */
function mustBeShareable({ natsUrl, store }: PlatformOptions): void {
  const missing = natsUrl === 'own' ? '--nats-url' : store === 'embedded' ? '--store postgres://…' : undefined
  if (missing === undefined) return
  throw new RyoFaasError('INVALID_OPTION', `several agents need ${missing}: what they share is on no one machine`, {
    hint: `Give ${missing} too, or leave out --cluster-key.`,
  })
}

/** The one that leads would end the containers of the other. @throws RyoFaasError INVALID_OPTION */
async function mustBeAlone(members: Members, docker: string): Promise<void> {
  const other = await members.found(member => member.docker === docker)
  if (other === undefined) return
  await members.leave()
  throw new RyoFaasError('INVALID_OPTION', `another agent of this platform, on ${other.name}, uses the same Docker`, {
    hint: 'With --engine docker each agent needs a Docker of its own. Start one elsewhere, or all with --engine swarm.',
  })
}

/** @throws RyoFaasError CLUSTER_KEY_WRONG, INVALID_OPTION */
async function clusterKey(path: string, isFirst: boolean): Promise<string> {
  const found = await readIfPresent(path).catch((error: Error) => {
    throw new RyoFaasError('INVALID_OPTION', `--cluster-key: ${path} cannot be read: ${error.message}`, {
      cause: error,
    })
  })
  if (found !== undefined) return found
  if (isFirst) {
    const key = newClusterKey()
    await writeDurably(path, key)
    return key
  }
  throw new RyoFaasError('CLUSTER_KEY_WRONG', `this platform has a cluster key, and ${path} is not there`, {
    hint: 'Copy the file of --cluster-key from the machine of another agent.',
  })
}

async function ensureText(path: string, make: () => string): Promise<string> {
  const found = (await readIfPresent(path))?.trim()
  if (found) return found
  const made = make()
  await writeDurably(path, made)
  return made
}

async function addressFor({ clusterAddress, natsUrl }: PlatformOptions): Promise<{ host: string; port: number }> {
  if (clusterAddress === 'auto') {
    const first = readServerUrls(natsUrl)!.access.url.split(',')[0]!
    return { host: await ownAddressTowards(new URL(first).hostname), port: 0 }
  }
  const { host = clusterAddress, port = 0 } = parseAddress(clusterAddress) ?? {}
  return { host: host.replace(/^\[|\]$/g, ''), port }
}
