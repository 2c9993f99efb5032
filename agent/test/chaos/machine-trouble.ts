/**
 * One round of trouble with a machine: it is killed with all its processes at once and comes back, or its cable is pulled
 * and plugged in again; meanwhile somebody deploys. The round ends when the platform is whole, and the machine is used.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PORTS, type MachineCluster, type Member } from '../support/machine-cluster.ts'
import { writeProject } from '../support/platform.ts'
import { until } from '../support/until.ts'
import type { LiveProxies } from './live-proxies.ts'
import { helloOf } from './machines-functions.ts'
import type { SeededRandom } from './seeded-random.ts'

export const TROUBLES = ['kill the leading', 'cut the leading', 'kill another', 'cut another'] as const
export type TroubleKind = (typeof TROUBLES)[number]

export interface Trouble {
  kind: TroubleKind
  machine: string
  /** By `performance.now()`. */
  at: number
  /** Until the proxy of another leader served; only if the leading machine was lost. */
  ledAgainMs: number | undefined
  /** Until a version was deployed that was ordered meanwhile. */
  deployedMs: number
  /** When it was booted, or plugged in. */
  endedAt: number
  /** From then on, until all was as before, and the machine had an instance. */
  wholeMs: number
}

export interface Scene {
  cluster: MachineCluster
  proxies: LiveProxies
  random: SeededRandom
  signal: AbortSignal
  say: (line: string) => void
}

const HOLD_MS = [5_000, 9_000] as const
const DEPLOY_AFTER_MS = [0, 3_000] as const
const LEAST_INSTANCES = 3

/** Makes trouble, and knows what was deployed last. */
export class TroubleMaker {
  readonly #scene: Scene
  version = 1
  instances = LEAST_INSTANCES
  /** When each trouble began, also one that did not come to its end; by `performance.now()`. */
  readonly begun: number[] = []

  constructor(scene: Scene) {
    this.#scene = scene
  }

  async make(kind: TroubleKind): Promise<Trouble> {
    const { cluster, random, say } = this.#scene
    const leading = await this.#until(() => cluster.leader(), 'an agent leads')
    const others = cluster.members.filter(member => member !== leading)
    const isLeading = kind.endsWith('the leading')
    const victim = isLeading ? leading : random.pick(others)
    const { name } = victim.machine
    const living = cluster.members.filter(member => member !== victim)
    const isKill = kind.startsWith('kill')
    const [holdMs, deployAfterMs] = [random.between(...HOLD_MS), random.between(...DEPLOY_AFTER_MS)]
    const at = performance.now()
    this.begun.push(at)
    say(`${kind}: ${name}`)
    if (isKill) await cluster.kill(victim)
    else await cluster.machines.plug(victim.machine, false)
    const since = () => performance.now() - at
    const [ledAgainMs, deployedMs] = await Promise.all([
      isLeading ? this.#ledAgain(victim).then(since) : undefined,
      delay(deployAfterMs).then(async () => (await this.#deploy(living), since())),
      delay(holdMs),
    ])
    say(
      `  ${ledAgainMs === undefined ? '' : `another leads after ${seconds(ledAgainMs)}; `}deployed after ${seconds(deployedMs)}`,
    )
    const endedAt = performance.now()
    if (isKill) await cluster.bootAgain(victim)
    else await cluster.machines.plug(victim.machine, true)
    await this.#whole()
    await this.#used(victim)
    const wholeMs = performance.now() - endedAt
    say(`  ${name} is back and used after ${seconds(wholeMs)}`)
    return { kind, machine: name, at, ledAgainMs, deployedMs, endedAt, wholeMs }
  }

  /** The proxy beside the agent that leads. */
  #ledAgain({ machine }: Member): Promise<true> {
    const { proxies } = this.#scene
    const isOther = (url: string) => url.endsWith(`:${PORTS.leader}`) && !url.includes(`${machine.address}:`)
    return this.#until(async () => proxies.all.some(isOther) || undefined, 'the proxy of another leader serves')
  }

  /** A next version, by any agent that is there, until it is done. */
  async #deploy(living: readonly Member[]): Promise<void> {
    const { random, say } = this.#scene
    const member = random.pick(living)
    this.version += 1
    const folder = join(member.platform.home, `project-${this.version}`)
    const file = await writeProject(folder, { hello: helloOf(this.version, this.instances) })
    await this.#until(async () => {
      const { code, stderr } = await member.platform.cli(['deploy', file, '--replace'])
      if (code !== 0) say(`  deploy: ${stderr.trim().split('\n').slice(1).join(' ')}`)
      return code === 0 || undefined
    }, 'a version is deployed')
  }

  /** Three agents, of which one leads; three proxies with the newest routes; all instances; all copies at NATS. */
  async #whole(): Promise<void> {
    const { cluster, proxies, say } = this.#scene
    let missing = ''
    const look = async () => {
      missing = `${proxies.all.length} proxies serve`
      if (proxies.all.length !== cluster.members.length + 1) return undefined
      for (const member of cluster.members) {
        missing = await missingIn(cluster, member).catch((error: Error) => error.message)
        if (missing === '') continue
        missing = `${member.machine.name} says: ${missing}`
        return undefined
      }
      missing = await cluster.copyBehind().catch((error: Error) => `NATS: ${error.message}`)
      return missing === '' || undefined
    }
    await this.#until(look, 'the platform is whole').catch((error: unknown) => {
      say(`  not whole: ${missing}`)
      throw error
    })
  }

  /** One instance more each time, until Swarm chooses the machine: it has the fewest. A start may fail there at first. */
  async #used({ machine, platform }: Member): Promise<void> {
    const { cluster, random, say } = this.#scene
    this.instances = LEAST_INSTANCES
    await this.#until(async () => {
      // An agent that was deposed is just starting again.
      const seen = await cluster.details(random.pick(cluster.members)).catch(() => undefined)
      if (seen === undefined) return undefined
      if (seen.deployments.some(({ instances }) => instances.some(each => each.machine === machine.name))) return true
      const { code, stderr } = await platform.cli(['scale', 'hello', String(this.instances + 1)])
      if (code === 0) this.instances += 1
      else say(`  scale: ${stderr.trim().split('\n').slice(1).join(' ')}`)
      return undefined
    }, `${machine.name} is used`)
  }

  #until<T>(ask: () => Promise<T | undefined>, what: string): Promise<T> {
    const { signal } = this.#scene
    return until(
      async () => {
        signal.throwIfAborted()
        return ask()
      },
      180_000,
      what,
    )
  }
}

/** What an agent sees that should be otherwise; empty if nothing. */
async function missingIn(cluster: MachineCluster, member: Member): Promise<string> {
  const { platform, deployments } = await cluster.details(member)
  const roles = platform.cluster?.agents.map(({ role }) => role).sort()
  if (roles?.join() !== 'leads,stands-by,stands-by') return `agents ${roles?.join()}`
  if (platform.cluster?.role !== 'leads') return ''
  const further = platform.parts.filter(({ name }) => name.startsWith('proxy '))
  const unwell = further.filter(({ state }) => state !== 'running').map(({ name, note }) => `${name} ${note}`)
  if (unwell.length > 0) return unwell.join('; ')
  if (further.length !== cluster.members.length) return `${further.length} further proxies`
  const unready = deployments.filter(
    ({ instances, desiredInstances }) =>
      instances.length !== desiredInstances || instances.some(({ state }) => state !== 'ready'),
  )
  return unready
    .map(({ name, instances, desiredInstances }) => {
      return `${name} has ${instances.map(({ state }) => state).join()} and should have ${desiredInstances}`
    })
    .join('; ')
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
