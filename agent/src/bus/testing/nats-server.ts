/** A real nats-server for tests: JetStream in a temporary folder, one user, a port that it keeps across restarts. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { connectBus, linkOf, type Bus } from '../bus.ts'

/** The library's own view of the server, for tests that look past our code. */
export function managerOf(bus: Bus) {
  return linkOf(bus).manager
}

/** How many subjects a connection listens on. The library does not expose it. */
export function subscriptionsOf(bus: Bus): number {
  const { protocol } = linkOf(bus).connection as unknown as { protocol: { subscriptions: { size(): number } } }
  return protocol.subscriptions.size()
}

export interface TestNats {
  readonly url: string
  readonly user: string
  readonly password: string
  readonly pid: () => number
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>
  /** Starts it again on the same port and data. */
  start(): Promise<void>
  connect(name?: string): Promise<Bus>
  /** Closes connections made by `connect`, ends the server, removes its data. */
  stop(): Promise<void>
}

/**
 * @param jetstream further settings of JetStream, as in the server's configuration file.
 * @param tls paths of PEM files; a client must show a certificate of that authority
 */
export function startNats(jetstream = '', tls?: { cert: string; key: string; ca: string }): Promise<TestNats> {
  return startNatsWith(folder => [
    'max_payload: 1MB',
    `jetstream { store_dir: ${JSON.stringify(join(folder, 'data'))}, ${jetstream} }`,
    `authorization { user: ${USER}, password: ${PASSWORD} }`,
    ...(tls === undefined
      ? []
      : [`tls { cert_file: "${tls.cert}", key_file: "${tls.key}", ca_file: "${tls.ca}", verify: true }`]),
  ])
}

const [USER, PASSWORD] = ['tester', 'secret']

/** @param linesOf its configuration without the address, given a folder of its own */
export async function startNatsWith(linesOf: (folder: string) => string[]): Promise<TestNats> {
  const folder = await mkdtemp(join(tmpdir(), 'bus-nats-'))
  const [user, password] = [USER, PASSWORD]
  const config = join(folder, 'nats.conf')
  let port = 0
  const choosePort = async () => {
    port = await freePort()
    await writeFile(config, [`listen: "127.0.0.1:${port}"`, ...linesOf(folder)].join('\n'))
  }
  const buses: Bus[] = []
  let child: ChildProcess | undefined

  const end = async (signal: NodeJS.Signals) => {
    const ending = child
    child = undefined
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return
    const gone = new Promise(resolve => ending.once('exit', resolve))
    ending.kill(signal)
    await gone
  }
  const start = async () => {
    const path = [process.env['PATH'], '/usr/sbin', '/usr/local/sbin'].join(delimiter)
    const started = spawn('nats-server', ['-c', config], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, PATH: path },
    })
    child = started
    await new Promise<void>((resolve, reject) => {
      let output = ''
      started.once('error', reject)
      started.once('exit', code => reject(new Error(`nats-server exited with ${code}: ${output}`)))
      started.stderr.on('data', (piece: Buffer) => {
        output += piece.toString()
        if (output.includes('Server is ready')) resolve()
      })
    })
  }
  // Somebody else may have taken the port meanwhile.
  for (let attempts = 3; ; attempts -= 1) {
    await choosePort()
    try {
      await start()
      break
    } catch (error) {
      if (attempts === 1) throw error
    }
  }
  const url = `nats://127.0.0.1:${port}`
  return {
    url,
    user,
    password,
    pid: () => child!.pid!,
    kill: () => end('SIGKILL'),
    start,
    connect: async (name = 'test') => {
      const bus = await connectBus({ url, user, password, name })
      buses.push(bus)
      return bus
    },
    stop: async () => {
      await Promise.all(buses.map(bus => bus.close()))
      await end('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
