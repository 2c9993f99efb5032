/**
 * A platform on several machines, as docs/guide/swarm.md describes it: on each of them a Docker that manages the swarm, a
 * member of a NATS cluster, an agent and a further proxy. Documents are in a PostgreSQL beside the machines.
 *
 * Homes and the data of NATS are in the folder of the machines, so what was killed is left as a power failure would leave
 * it, and nothing outlives the machines.
 */
import { spawn } from 'node:child_process'
import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type StreamInfo } from 'nats'
import type { DeploymentView, PlatformView } from '../../src/contract/index.ts'
import { TestProxy } from './further-proxy.ts'
import { Machines, type Machine } from './machines.ts'
import { BIN, TestPlatform } from './platform.ts'
import { TestPostgres } from './postgres.ts'
import { ensureInstalled, programOf } from './system-packages.ts'
import { until } from './until.ts'

const NATS = { user: 'faas', password: 'faas-password', port: 4222, routes: 6222 }
export const PORTS = { leader: 9990, further: 9999, store: 5001 }
const START_MS = 60_000
const NATS_MS = 5_000

/** What `ryo-faas details --json` says. */
export interface Details {
  platform: PlatformView
  deployments: DeploymentView[]
}

export interface Member {
  machine: Machine
  /** Its home, and its command line. */
  platform: TestPlatform
  /** Absent until its machine has one. */
  proxy: TestProxy | undefined
}

export class MachineCluster {
  readonly machines: Machines
  readonly postgres: TestPostgres
  readonly members: readonly Member[]
  readonly #flags: readonly string[]

  private constructor(machines: Machines, postgres: TestPostgres, flags: readonly string[]) {
    this.machines = machines
    this.postgres = postgres
    this.#flags = flags
    const project = `rfm${process.pid}`
    this.members = machines.all.map(machine => {
      const home = join(machines.folder, machine.name, 'home')
      const platform = new TestPlatform(home, { DOCKER_HOST: machine.dockerHost }, BIN)
      platform.prefix = () => machines.enter(machine, home)
      return { machine, platform: Object.assign(platform, { project }), proxy: undefined }
    })
  }

  /** @param flags of `startFaas`, besides those that make it one of several */
  static async start(flags: readonly string[] = []): Promise<MachineCluster> {
    await ensureInstalled(['nats-server', 'postgresql'])
    const machines = await Machines.start(3)
    try {
      const [postgres] = await Promise.all([
        TestPostgres.start({ address: machines.gateway }),
        machines.makeSwarm('Manager'),
      ])
      const cluster = new MachineCluster(machines, postgres, flags)
      try {
        await cluster.#startAll()
        return cluster
      } catch (error) {
        await cluster.remove()
        throw error
      }
    } catch (error) {
      await machines.stop()
      throw error
    }
  }

  /** Base URLs of all proxies that there may be: each machine has a further one, and that of the agent if it leads. */
  get urls(): { url: string; machine: Machine }[] {
    return this.members.flatMap(({ machine }) =>
      [PORTS.further, PORTS.leader].map(port => ({ url: `http://${machine.address}:${port}`, machine })),
    )
  }

  /** Everything that a machine runs, after it was booted. */
  async startOn(member: Member): Promise<void> {
    await this.#startNats(member)
    await this.#startAgent(member)
    await this.#startProxy(member)
  }

  async kill({ machine }: Member): Promise<void> {
    await this.machines.kill(machine)
  }

  async bootAgain(member: Member): Promise<void> {
    await this.machines.boot(member.machine)
    await this.startOn(member)
  }

  /** As the agent of a member says it. */
  async details({ platform }: Member): Promise<Details> {
    return JSON.parse(await platform.ok(['details', '--json'])) as Details
  }

  /** The one that leads, as those of `asked` say who know it; undefined while nobody does. */
  async leader(asked: readonly Member[] = this.members): Promise<Member | undefined> {
    for (const member of asked) {
      const found = await this.details(member).catch(() => undefined)
      const name = found?.platform.cluster?.agents.find(({ role }) => role === 'leads')?.name
      if (name !== undefined) return this.members.find(({ machine }) => machine.name === name)
    }
    return undefined
  }

  /** Which copy of which stream is behind; empty if none. Before that another machine must not be lost. */
  async copyBehind(): Promise<string> {
    for (const { config, cluster } of await this.#streamInfos()) {
      const behind = cluster?.replicas?.find(({ current, offline }) => !current || offline === true)
      if (cluster?.leader === undefined) return `${config.name} has no leader`
      if (behind !== undefined) return `${config.name} at ${behind.name} is behind`
    }
    return ''
  }

  /** What NATS says of its streams, as JSON. */
  async streams(): Promise<string> {
    return JSON.stringify(await this.#streamInfos(), null, 2)
  }

  natsLog({ name }: Machine): string {
    return join(this.machines.folder, name, 'nats.log')
  }

  async #streamInfos(): Promise<StreamInfo[]> {
    const { user, password: pass, port } = NATS
    const servers = this.machines.all.map(({ address }) => `${address}:${port}`)
    const nats = await connect({ servers, user, pass, timeout: NATS_MS, reconnect: false })
    try {
      const manager = await nats.jetstreamManager({ timeout: NATS_MS })
      const infos: StreamInfo[] = []
      for await (const info of manager.streams.list()) infos.push(info)
      return infos
    } finally {
      await nats.close()
    }
  }

  async remove(): Promise<void> {
    await Promise.all(this.members.map(async ({ proxy }) => proxy?.remove()))
    await this.machines.stop()
    await this.postgres.remove()
  }

  get #natsUrl(): string {
    const hosts = this.machines.all.map(({ address }) => address)
    return hosts.map(host => `nats://${NATS.user}:${NATS.password}@${host}:${NATS.port}`).join()
  }

  get #keyFile(): string {
    return join(this.machines.folder, 'cluster-key')
  }

  async #startAll(): Promise<void> {
    await Promise.all(this.members.map(member => this.#startNats(member)))
    // The first one makes the key, and leads.
    for (const member of this.members) await this.#startAgent(member)
    await Promise.all(this.members.map(member => this.#startProxy(member)))
  }

  async #startNats({ machine }: Member): Promise<void> {
    const folder = join(this.machines.folder, machine.name, 'nats')
    await mkdir(folder, { recursive: true })
    const routes = this.machines.all.map(({ address }) => `"nats://route:route@${address}:${NATS.routes}"`)
    const config = join(folder, 'nats.conf')
    await writeFile(
      config,
      [
        `server_name: ${machine.name}`,
        `listen: "0.0.0.0:${NATS.port}"`,
        'max_payload: 1MB',
        'ping_interval: "5s"',
        `jetstream { store_dir: "${join(folder, 'data')}" }`,
        `accounts { FAAS { jetstream: enabled, users: [ { user: ${NATS.user}, password: "${NATS.password}" } ] } }`,
        `cluster { name: faas, listen: "0.0.0.0:${NATS.routes}", ping_interval: "2s", ping_max: 2`,
        '  authorization { user: route, password: route }',
        `  routes: [${routes.join(', ')}] }`,
        '',
      ].join('\n'),
    )
    await this.#spawn(machine, 'nats', [programOf('nats-server')!, '-c', config])
  }

  async #startAgent({ machine, platform }: Member): Promise<void> {
    await mkdir(platform.home, { recursive: true })
    const flags = [
      ...['startFaas', '--json', '--project', platform.project, '--engine', 'swarm', '--agent-port', '0'],
      ...['--host', '0.0.0.0', '--port', String(PORTS.leader), '--store-port', String(PORTS.store)],
      ...['--nats-url', this.#natsUrl, '--store', this.postgres.url('postgres', undefined, this.machines.gateway)],
      ...[
        '--cluster-key',
        this.#keyFile,
        '--cluster-address',
        machine.address,
        '--callback-allow',
        this.machines.gateway,
      ],
      ...this.#flags,
    ]
    let said = ''
    // Its Docker and NATS may still be looking for the others.
    await until(
      async () => {
        const { code, stdout, stderr } = await platform.cli(flags)
        said = stdout + stderr
        return code === 0 || undefined
      },
      START_MS,
      'startFaas succeeds',
    ).catch((error: Error) => {
      throw new Error(`${machine.name}: ${said}`, { cause: error })
    })
  }

  async #startProxy(member: Member): Promise<void> {
    const { machine, platform } = member
    if (member.proxy !== undefined) return member.proxy.start()
    const options = {
      name: machine.name,
      prefix: () => this.machines.enter(machine, '/'),
      natsUrl: this.#natsUrl,
      flags: [
        ...['--project', platform.project, '--host', '0.0.0.0', '--port', String(PORTS.further)],
        ...['--advertise', `${machine.address}:${PORTS.further}`],
      ],
    }
    member.proxy = await TestProxy.start(platform, options)
  }

  /** Detached from what it writes, so that it can be looked at afterwards. */
  async #spawn(machine: Machine, name: string, command: string[]): Promise<void> {
    const log = await open(join(this.machines.folder, machine.name, `${name}.log`), 'a')
    const [program, ...args] = [...this.machines.enter(machine, '/'), ...command] as [string, ...string[]]
    const child = spawn(program, args, { stdio: ['ignore', log.fd, log.fd] })
    child.on('error', () => undefined)
    await log.close()
  }
}
