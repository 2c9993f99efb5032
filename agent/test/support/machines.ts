/**
 * Several machines in one, each with a Docker of its own: a network namespace with a cable to a switch, and namespaces of
 * processes and mounts in which its dockerd is everything there is. So all that a machine runs ends with its first
 * process, and its mounts with that.
 *
 * The switch is in a namespace, too: in ours, the firewall of Docker would look at what the machines send to each other.
 * This machine has a cable to it as well. What is left of a run that was killed is removed by the next one.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, open, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import Docker from 'dockerode'
import { ensureInstalled, programOf } from './system-packages.ts'
import { until } from './until.ts'

const run = promisify(execFile)
const PREFIX = 'rfm'
const CGROUPS = '/sys/fs/cgroup'
/**
 * All containers of all machines are one group to the scheduler, and get what one process gets: functions would starve as
 * soon as several others run. On machines of their own they share the cores with few.
 */
const WEIGHT = {
  first: { file: 'cpu/ID/cpu.shares', value: '20480' },
  second: { file: 'ID/cpu.weight', value: '2000' },
}

export interface Machine {
  name: string
  address: string
  docker: Docker
  /** As `DOCKER_HOST`. */
  dockerHost: string
  /** Its network, for `nsenter --net`. */
  netns: string
}

export class Machines {
  readonly folder: string
  /** Of all names: those of links have at most 15 characters. */
  readonly #id: string
  readonly #network: string
  readonly all: Machine[] = []
  /** Address of this machine on their network. */
  readonly gateway: string
  readonly #running = new Map<string, ChildProcess>()

  private constructor(folder: string, id: string) {
    this.folder = folder
    this.#id = id
    // 198.18.0.0/15 is reserved for benchmarks (RFC 2544), so nobody else uses it.
    const [odd, third] = randomBytes(2) as unknown as [number, number]
    this.#network = `198.${18 + (odd % 2)}.${third}`
    this.gateway = `${this.#network}.254`
  }

  /** Without a swarm. */
  static async start(count: number): Promise<Machines> {
    await ensureInstalled(['docker.io', 'iproute2'])
    await removeLeftOvers()
    const id = `${PREFIX}${randomBytes(3).toString('hex')}`
    const machines = new Machines(await mkdtemp(join(tmpdir(), `${PREFIX}-${process.pid}-${id}-`)), id)
    try {
      await weigh(id)
      await machines.#connect(count)
      await Promise.all(machines.all.map(machine => machines.boot(machine)))
      return machines
    } catch (error) {
      await machines.stop().catch(() => undefined) // Report why it could not be started.
      throw error
    }
  }

  /** The first is the manager of the others, or all are. They are found lost after some seconds without an answer. */
  async makeSwarm(others: 'Worker' | 'Manager' = 'Worker'): Promise<void> {
    const [first, ...rest] = this.all as [Machine, ...Machine[]]
    const { address } = first
    const Spec = { Dispatcher: { HeartbeatPeriod: 1e9 }, Orchestration: { TaskHistoryRetentionLimit: 1 } }
    await first.docker.swarmInit({ ListenAddr: `${address}:2377`, AdvertiseAddr: address, Spec })
    const { JoinTokens } = (await first.docker.swarmInspect()) as { JoinTokens: Record<typeof others, string> }
    // One after another: each new manager needs the majority of those before it.
    for (const { docker, address: own } of rest) {
      await docker.swarmJoin({
        ...{ ListenAddr: `${own}:2377`, AdvertiseAddr: own },
        ...{ RemoteAddrs: [`${address}:2377`], JoinToken: JoinTokens[others] },
      })
    }
  }

  /** Begin of a command line that runs on the machine, and ends with it. */
  enter({ name }: Machine, folder: string): string[] {
    const { pid } = this.#running.get(name)!
    const first = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
    return ['nsenter', `--target=${first}`, '--net', '--uts', '--mount', '--pid', `--wdns=${folder}`]
  }

  async boot({ name, docker, dockerHost }: Machine): Promise<void> {
    const folder = join(this.folder, name)
    await mkdir(folder, { recursive: true })
    const log = await open(join(folder, 'log'), 'a')
    const options = [
      ...['-H', dockerHost, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
      ...['--pidfile', join(folder, 'pid'), '--cgroup-parent', `/${this.#id}`, '--default-cgroupns-mode', 'private'],
      ...['--insecure-registry', `${this.#network}.0/24`],
    ]
    // Not the sockets of another Docker, nor its containerd.
    const hide = 'for d in /run/docker /run/containerd; do mkdir -p $d && mount -t tmpfs none $d; done'
    const script = `hostname ${name}; ${hide}; exec docker-init -- "$0" "$@"`
    const inside = ['--uts', '--mount', '--pid', '--mount-proc', '--fork', '--kill-child']
    const args = [`--net=/run/netns/${this.#id}${name}`, 'unshare', ...inside, 'sh', '-c', script]
    const machine = spawn('nsenter', [...args, programOf('docker.io')!, ...options], {
      stdio: ['ignore', log.fd, log.fd],
    })
    await log.close()
    this.#running.set(name, machine)
    await until(async () => {
      if (machine.exitCode === null) return docker.ping().catch(() => undefined)
      const said = (await readFile(join(folder, 'log'), 'utf8')).split('\n').slice(-20).join('\n')
      throw new Error(`dockerd of ${name} ended:\n${said}`)
    })
  }

  /** All its processes at once, as if its power had failed. */
  async kill({ name }: Machine): Promise<void> {
    const machine = this.#running.get(name)
    if (machine === undefined || machine.exitCode !== null || machine.signalCode !== null) return
    const ended = once(machine, 'exit')
    machine.kill('SIGKILL') // `--kill-child`: its child is the first process of the machine.
    await ended
    // What a machine forgets without power: a dockerd would wait for whoever has the numbers in it now.
    const forgotten = ['pid', 'exec'].map(entry => join(this.folder, name, entry))
    for (const path of forgotten) await rm(path, { recursive: true, force: true })
  }

  /** Pulls its cable, or plugs it in again. */
  async plug({ name }: Machine, isIn: boolean): Promise<void> {
    await run('ip', ['-n', `${this.#id}sw`, 'link', 'set', `to${name}`, isIn ? 'up' : 'down'])
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map(machine => this.kill(machine)))
    await removeNamespaces(this.#id)
    await removeCgroups(this.#id)
    await until(() =>
      rm(this.folder, { recursive: true, force: true }).then(
        () => true,
        () => undefined,
      ),
    )
  }

  async #connect(count: number): Promise<void> {
    const switchName = `${this.#id}sw`
    const inSwitch = (...args: string[]) => run('ip', ['-n', switchName, ...args])
    const cable = async (port: string, far: { name: string; netns?: string }, address: string) => {
      const there = far.netns === undefined ? [] : ['-n', far.netns]
      const place = far.netns === undefined ? [] : ['netns', far.netns]
      // Made where one end is, so that no name of it is ever in our own namespace.
      if (far.netns === undefined) {
        await run('ip', ['link', 'add', far.name, 'type', 'veth', 'peer', 'name', port, 'netns', switchName])
      } else {
        await inSwitch('link', 'add', port, 'type', 'veth', 'peer', 'name', far.name, ...place)
      }
      await inSwitch('link', 'set', port, 'master', 'br0', 'up')
      await run('ip', [...there, 'address', 'add', `${address}/24`, 'dev', far.name])
      await run('ip', [...there, 'link', 'set', far.name, 'up'])
    }
    await run('ip', ['netns', 'add', switchName])
    await inSwitch('link', 'add', 'br0', 'type', 'bridge')
    await inSwitch('link', 'set', 'br0', 'up')
    await cable('out', { name: this.#id }, this.gateway)
    for (let n = 1; n <= count; n++) {
      const name = `m${n}`
      const netns = `${this.#id}${name}`
      const address = `${this.#network}.${n}`
      await run('ip', ['netns', 'add', netns])
      await cable(`to${name}`, { name: 'eth0', netns }, address)
      await run('ip', ['-n', netns, 'link', 'set', 'lo', 'up'])
      await run('ip', ['-n', netns, 'route', 'add', 'default', 'via', this.gateway])
      const socketPath = join(this.folder, name, 'docker.sock')
      const own = {
        docker: new Docker({ socketPath }),
        dockerHost: `unix://${socketPath}`,
        netns: `/run/netns/${netns}`,
      }
      this.all.push({ name, address, ...own })
    }
  }
}

async function removeLeftOvers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const [, pid, id] = new RegExp(`^${PREFIX}-(\\d+)-(${PREFIX}[0-9a-f]{6})-`).exec(name) ?? []
    if (id === undefined || existsSync(`/proc/${pid}`)) continue
    const folder = join(tmpdir(), name)
    // Their first processes, by the folder in their command line.
    for (const process_ of await readdir('/proc')) {
      const commandLine = await readFile(`/proc/${process_}/cmdline`, 'utf8').catch(() => '')
      if (commandLine.includes(folder) && commandLine.startsWith('unshare')) process.kill(Number(process_), 'SIGKILL')
    }
    await removeNamespaces(id)
    await removeCgroups(id)
    await rm(folder, { recursive: true, force: true }).catch(() => undefined)
  }
}

/** As cgroups of this system have it: version 1 or 2. */
async function weigh(id: string): Promise<void> {
  const isFirst = existsSync(join(CGROUPS, 'cpu'))
  const { file, value } = isFirst ? WEIGHT.first : WEIGHT.second
  const path = join(CGROUPS, file.replace('ID', id))
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, value).catch(() => undefined) // A system that shares out no CPU has no such file.
}

/** With them go their links, and the other ends of these. */
async function removeNamespaces(id: string): Promise<void> {
  for (const name of await readdir('/run/netns').catch(() => [])) {
    if (name.startsWith(id)) await run('ip', ['netns', 'delete', name])
  }
}

/** Those of containers whose machine was killed. */
async function removeCgroups(id: string): Promise<void> {
  const parents = [CGROUPS, ...(await readdir(CGROUPS)).map(name => join(CGROUPS, name))]
  for (const parent of parents.map(path => join(path, id)).filter(path => existsSync(path))) {
    await until(() =>
      removeGroup(parent).then(
        () => true,
        () => undefined,
      ),
    )
  }
}

async function removeGroup(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true })
  for (const entry of entries) if (entry.isDirectory()) await removeGroup(join(folder, entry.name))
  await rmdir(folder)
}
