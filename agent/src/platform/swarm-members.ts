/**
 * From one machine to several and back. This machine becomes the manager of a swarm if it is in none; another one joins as
 * a worker, and leaves once nothing of ours runs there.
 *
 * Invariants: 1. The token by which a machine joins is worth nothing afterwards. 2. A machine that leaves is left by its
 * instances first, and each of them only when another one serves.
 */
import { BlockList, isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type Docker from 'dockerode'
import { RyoFaasError, type DockerThere, type MachineFinding } from '../contract/index.ts'
import { connectDocker, translateDockerError } from '../docker/index.ts'
import { LEAVING_LABEL, type SwarmNode, type SwarmTask } from '../engines/index.ts'

const PORT = 2377
const LEAST_DOCKER = 25
const LOOK_EVERY_MS = 200
const READY_MS = 60_000
/** A call may take long, and an instance waits for its last one. */
const LEFT_MS = 600_000

interface Info {
  Name: string
  ServerVersion: string
  Architecture: string
  OSType: string
  CgroupVersion?: string
  Swarm: {
    NodeID: string
    NodeAddr: string
    LocalNodeState: string
    ControlAvailable: boolean
    RemoteManagers?: { Addr: string }[] | null
  }
  RegistryConfig?: { InsecureRegistryCIDRs?: string[] | null }
}

export interface JoinWish {
  /** Of this machine, as the other one reaches it; needed unless it is in a swarm. */
  address: string | undefined
  /** Of the other machine; absent: Docker finds it. */
  theirs: string | undefined
  /** They fetch images from a registry, not from this machine. */
  hasRegistry: boolean
}

export interface Joined {
  name: string
  address: string
  findings: MachineFinding[]
}

export class SwarmMembers {
  readonly #docker: Docker

  private constructor(docker: Docker) {
    this.#docker = docker
  }

  /** @throws RyoFaasError DOCKER_UNREACHABLE */
  static async connect(environment: NodeJS.ProcessEnv): Promise<SwarmMembers> {
    return new SwarmMembers((await connectDocker(environment)).docker)
  }

  /**
   * Idempotent: a machine that is in this swarm stays in it.
   * @throws RyoFaasError UNSUPPORTED with what is missing there; ENGINE_FAILED
   */
  async join(there: DockerThere, { address, theirs, hasRegistry }: JoinWish): Promise<Joined> {
    const info = await this.#info()
    const their = await infoOf(there)
    const known = (await this.#nodes(info)).find(({ ID }) => ID === their.Swarm.NodeID && ID !== '')
    const manager = info.Swarm.ControlAvailable ? managerOf(info) : { host: address, at: `${address}:${PORT}` }
    if (manager.host === undefined) {
      throw new RyoFaasError('INVALID_OPTION', 'this machine has to be told how the other one reaches it', {
        hint: 'Name its address: --address 10.0.0.1',
      })
    }
    const isMember = known !== undefined
    const findings = findingsOf(their, info, { manager: manager.host, hasRegistry, isMember })
    const bad = findings.filter(({ status }) => status === 'fail')
    if (known === undefined && bad.length > 0) {
      throw new RyoFaasError('UNSUPPORTED', `${their.Name} cannot join: ${bad.map(({ found }) => found).join('; ')}`, {
        hint: bad.flatMap(({ fix = [] }) => fix).join(' '),
      })
    }
    if (known !== undefined) await this.#change(known.ID, spec => unmarked(spec))
    else {
      if (!info.Swarm.ControlAvailable) await this.#begin(info, manager.host)
      await this.#bring(there, { manager: manager.at, theirs })
    }
    const node = await this.#until(READY_MS, async () => {
      const { Swarm } = await infoOf(there)
      return (await this.#nodes()).find(({ ID, Status }) => ID === Swarm.NodeID && Status.State === 'ready')
    })
    if (node === undefined) {
      throw new RyoFaasError('ENGINE_FAILED', `${their.Name} joined the swarm, and is not ready there`, {
        hint: 'Open the ports 2377 and 7946 (TCP), 7946 and 4789 (UDP) between the machines. See: docker node ls',
      })
    }
    return { name: node.Description.Hostname, address: node.Status.Addr, findings }
  }

  /**
   * @param report is told how many of our instances are still there
   * @throws RyoFaasError UNSUPPORTED, ENGINE_FAILED
   */
  async leave(there: DockerThere, report: (left: number) => void): Promise<{ name: string }> {
    const { Swarm, Name } = await infoOf(there)
    const node = (await this.#nodes()).find(({ ID }) => ID === Swarm.NodeID && ID !== '')
    if (node === undefined) throw new RyoFaasError('UNSUPPORTED', `${Name} is not in the swarm of this machine`)
    if (node.ManagerStatus !== undefined) {
      throw new RyoFaasError('UNSUPPORTED', `${Name} is a manager of the swarm`, {
        hint: `First: docker node demote ${Name}`,
      })
    }
    await this.#change(node.ID, spec => {
      return { ...spec, Availability: 'pause', Labels: { ...spec.Labels, [LEAVING_LABEL]: 'true' } }
    })
    const isEmpty = await this.#until(LEFT_MS, async () => {
      const left = (await this.#ours(node.ID)).length
      report(left)
      return left === 0 || undefined
    })
    if (isEmpty === undefined) {
      throw new RyoFaasError('ENGINE_FAILED', `instances still run on ${Name}: others cannot be started elsewhere`, {
        hint: 'See: ryo-faas details. The machine gets nothing new; join it again to end that.',
      })
    }
    // What others run there.
    await this.#change(node.ID, spec => ({ ...spec, Availability: 'drain' }))
    await expectFrom(there, '/swarm/leave', undefined)
    await this.#until(READY_MS, async () => {
      const now = (await this.#nodes()).find(({ ID }) => ID === node.ID)
      return now === undefined || now.Status.State === 'down' || undefined
    })
    await translated('removing the machine', this.#docker.getNode(node.ID).remove({ force: true }))
    return { name: Name }
  }

  async #begin(info: Info, address: string): Promise<void> {
    if (info.Swarm.LocalNodeState === 'active') {
      throw new RyoFaasError('UNSUPPORTED', 'this machine is a worker of another swarm', {
        hint: 'Make it a manager there (docker node promote), or leave that swarm.',
      })
    }
    // A machine that is lost is noticed after three of them.
    const Spec = { Dispatcher: { HeartbeatPeriod: 1e9 } }
    const options = { ListenAddr: `${bracketed(address)}:${PORT}`, AdvertiseAddr: address, Spec }
    await translated('making a swarm', this.#docker.swarmInit(options))
  }

  async #bring(there: DockerThere, { manager, theirs }: { manager: string; theirs: string | undefined }) {
    const { JoinTokens } = (await this.#docker.swarmInspect()) as { JoinTokens: { Worker: string } }
    try {
      await expectFrom(there, '/swarm/join', {
        ...{ ListenAddr: `${bracketed(theirs ?? '0.0.0.0')}:${PORT}`, RemoteAddrs: [manager] },
        ...{ JoinToken: JoinTokens.Worker, ...(theirs !== undefined && { AdvertiseAddr: theirs }) },
      })
    } finally {
      await this.#rotate()
    }
  }

  /** The token is worth nothing from here on. */
  async #rotate(): Promise<void> {
    const { Spec, Version } = (await this.#docker.swarmInspect()) as { Spec: object; Version: { Index: number } }
    // The client passes on what it is given, and its types are behind that.
    const update = this.#docker.swarmUpdate.bind(this.#docker) as unknown as (options: object) => Promise<unknown>
    const query = { version: Version.Index, rotateWorkerToken: true }
    await translated('changing the token of the swarm', update({ _query: query, _body: Spec }))
  }

  async #info(): Promise<Info> {
    return translated('looking at this machine', this.#docker.info() as Promise<Info>)
  }

  /** @param info to find none where there is no swarm */
  async #nodes(info?: Info): Promise<(SwarmNode & { Spec: NodeSpec })[]> {
    if (info?.Swarm.ControlAvailable === false) return []
    return translated('listing machines', this.#docker.listNodes() as Promise<(SwarmNode & { Spec: NodeSpec })[]>)
  }

  async #ours(id: string): Promise<SwarmTask[]> {
    const filters = { node: [id], label: ['ryo-faas'] }
    const tasks = (await translated('listing tasks', this.#docker.listTasks({ filters }))) as SwarmTask[]
    const ended = ['complete', 'shutdown', 'failed', 'rejected', 'orphaned', 'remove']
    return tasks.filter(({ Status }) => !ended.includes(Status.State))
  }

  async #change(id: string, change: (spec: NodeSpec) => NodeSpec): Promise<void> {
    const node = this.#docker.getNode(id)
    const { Spec, Version } = (await node.inspect()) as { Spec: NodeSpec; Version: { Index: number } }
    const update = node.update.bind(node) as unknown as (options: object) => Promise<unknown>
    const query = { version: Version.Index }
    await translated('changing a machine', update({ _query: query, _body: change(Spec) }))
  }

  async #until<T>(timeoutMs: number, look: () => Promise<T | undefined>): Promise<T | undefined> {
    const deadline = performance.now() + timeoutMs
    for (;;) {
      const found = await look()
      if (found !== undefined || performance.now() > deadline) return found
      await delay(LOOK_EVERY_MS)
    }
  }
}

interface NodeSpec {
  Labels?: Record<string, string>
  Availability: string
  Role: string
}

function unmarked({ Labels = {}, ...spec }: NodeSpec): NodeSpec {
  const { [LEAVING_LABEL]: _, ...others } = Labels
  return { ...spec, Labels: others, Availability: 'active' }
}

/** What of the other machine is as it has to be, and what is not. */
export function findingsOf(
  their: Info,
  own: Pick<Info, 'Architecture' | 'OSType'>,
  { manager, hasRegistry, isMember }: { manager: string; hasRegistry: boolean; isMember: boolean },
): MachineFinding[] {
  const findings: MachineFinding[] = []
  const version = Number(their.ServerVersion.split('.')[0])
  const isNew = version >= LEAST_DOCKER
  findings.push({
    ...{ name: 'docker', status: isNew ? 'ok' : 'fail', found: `Docker ${their.ServerVersion}` },
    ...(!isNew && { fix: `Install Docker ${LEAST_DOCKER} or later there.` }),
  })
  const isSame = their.Architecture === own.Architecture && their.OSType === own.OSType
  findings.push({
    ...{ name: 'processor', status: isSame ? 'ok' : 'warn', found: `${their.OSType} ${their.Architecture}` },
    ...(!isSame && { fix: 'Keep functions from it with "nodes" in deploy.json, such as node.platform.arch==x86_64.' }),
  })
  if (!isMember && their.Swarm.LocalNodeState !== 'inactive') {
    const fix = 'Let it leave that one there: docker swarm leave.'
    findings.push({ name: 'swarm', status: 'fail', found: 'it is in a swarm already', fix })
  }
  if (!hasRegistry && !isInsecureFor(manager, their)) {
    findings.push({
      ...{ name: 'images', status: 'fail', found: `its Docker does not fetch images from ${manager} over HTTP` },
      fix: `Add { "insecure-registries": ["${manager}"] } to /etc/docker/daemon.json there and restart Docker, or start the platform with --registry.`,
    })
  }
  return findings
}

function isInsecureFor(address: string, { RegistryConfig }: Info): boolean {
  const list = new BlockList()
  for (const network of RegistryConfig?.InsecureRegistryCIDRs ?? []) {
    const [host, prefix] = network.split('/') as [string, string]
    list.addSubnet(host, Number(prefix), isIPv6(host) ? 'ipv6' : 'ipv4')
  }
  return list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

function managerOf({ Swarm }: Info): { host: string; at: string } {
  const at = Swarm.RemoteManagers?.[0]?.Addr ?? `${bracketed(Swarm.NodeAddr)}:${PORT}`
  return { host: Swarm.NodeAddr, at }
}

async function infoOf(there: DockerThere): Promise<Info> {
  const { status, body } = await there('GET', '/info')
  if (status === 200) return JSON.parse(body) as Info
  throw refused(body, status)
}

async function expectFrom(there: DockerThere, path: string, body: object | undefined): Promise<void> {
  const answer = await there('POST', path, body)
  if (answer.status !== 200) throw refused(answer.body, answer.status)
}

function refused(body: string, status: number): RyoFaasError {
  let message = body
  try {
    message = (JSON.parse(body) as { message: string }).message
  } catch {
    // As it is.
  }
  return new RyoFaasError('ENGINE_FAILED', `Docker there answered ${status}: ${message}`)
}

function bracketed(address: string): string {
  return isIPv6(address) ? `[${address}]` : address
}

async function translated<T>(doing: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw translateDockerError(error, doing)
  }
}
