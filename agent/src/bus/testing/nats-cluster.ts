/** Three nats-servers on loopback, with the configuration file of docs/guide/nats.md, whose names and ports they replace. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { untilTrue } from '../../../test/support/until.ts'
import { connectBus, linkOf, type Bus } from '../bus.ts'
import { freePort } from './nats-server.ts'

const NAMES = ['n1', 'n2', 'n3'] as const
type Member = (typeof NAMES)[number]
const DOCUMENTATION = new URL('../../../../docs/guide/nats.md', import.meta.url)

export interface TestCluster {
  /** Of all members, with user and password. */
  readonly url: string
  /** `kill -9` */
  kill(member: string): Promise<void>
  start(member: string): Promise<void>
  /** Which of them a connection uses. */
  memberOf(bus: Bus): string
  /** Which of them decides for a stream; undefined while none does. */
  leaderOf(bus: Bus, stream: string): Promise<string | undefined>
  /** Closes connections made by `connect`, ends the servers, removes their data. */
  connect(project?: string): Promise<Bus>
  stop(): Promise<void>
}

export async function startNatsCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'nats-cluster-'))
  const template = await documentedConfig()
  const ports = Object.fromEntries(
    await Promise.all(NAMES.map(async name => [name, { client: await freePort(), route: await freePort() }] as const)),
  ) as Record<Member, { client: number; route: number }>
  const children = new Map<string, ChildProcess>()
  const buses: Bus[] = []

  const start = async (member: string) => {
    const { client, route } = ports[member as Member]
    let text = template
      .replace('server_name: n1', `server_name: ${member}`)
      .replace('"0.0.0.0:4222"', `"127.0.0.1:${client}"`)
      .replace('"0.0.0.0:6222"', `"127.0.0.1:${route}"`)
      .replace('/var/lib/nats', join(folder, member))
    for (const name of NAMES) text = text.replaceAll(`@${name}:6222`, `@127.0.0.1:${ports[name].route}`)
    const config = join(folder, `${member}.conf`)
    await writeFile(config, text)
    const path = [process.env['PATH'], '/usr/sbin', '/usr/local/sbin'].join(delimiter)
    const child = spawn('nats-server', ['-c', config], { stdio: 'ignore', env: { ...process.env, PATH: path } })
    await once(child, 'spawn')
    children.set(member, child)
  }
  const kill = async (member: string) => {
    const child = children.get(member)
    children.delete(member)
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  const url = NAMES.map(name => `nats://faas:faas-password@127.0.0.1:${ports[name].client}`).join(',')
  const connect = async (project?: string) => {
    const servers = NAMES.map(name => `nats://127.0.0.1:${ports[name].client}`).join(',')
    const bus = await connectBus({ url: servers, user: 'faas', password: 'faas-password', name: 'test', project })
    buses.push(bus)
    return bus
  }
  const cluster: TestCluster = {
    url,
    kill,
    start,
    connect,
    memberOf: bus => linkOf(bus).connection.info!.server_name,
    leaderOf: async (bus, stream) => {
      const { manager, names } = linkOf(bus)
      const { cluster: group } = await manager.streams.info(names.stream(stream))
      return group?.leader || undefined
    },
    stop: async () => {
      await Promise.all(buses.map(bus => bus.close()))
      await Promise.all(NAMES.map(kill))
      await rm(folder, { recursive: true, force: true })
    },
  }
  await Promise.all(NAMES.map(start))
  const bus = await connect()
  // JetStream waits for its own election.
  const isReady = async () =>
    linkOf(bus)
      .manager.getAccountInfo()
      .then(Boolean, () => false)
  await untilTrue(isReady, 'JetStream of the cluster is ready')
  return cluster
}

async function documentedConfig(): Promise<string> {
  const page = await readFile(DOCUMENTATION, 'utf8')
  const block = /```conf[^\n]*\n(server_name: n1\n[\s\S]*?)```/.exec(page)?.[1]
  if (block === undefined) throw new Error('docs/guide/nats.md has no configuration of a cluster')
  return block
}
