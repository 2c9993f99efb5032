/** Places from which a test tries to reach an address: containers of a network, and a separate network namespace. */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { promisify } from 'node:util'
import type Docker from 'dockerode'

const run = promisify(execFile)

/** `<status>` of an HTTP response, `closed` if the connection ends without one, `refused`, or `timeout`. */
const PROBE = `
const [host, port] = process.argv.slice(-2)
const socket = require('node:net').connect({ host, port: Number(port) })
const say = outcome => { process.stdout.write(outcome); process.exit(0) }
setTimeout(say, 3000, 'timeout')
let answer = ''
socket.on('connect', () => socket.write('GET /healthz HTTP/1.1\\r\\nHost: ' + host + '\\r\\n\\r\\n'))
socket.on('data', piece => { answer += piece; const status = /^HTTP\\/1.1 (\\d+)/.exec(answer); if (status) say(status[1]) })
socket.on('error', error => say(error.code === 'ECONNRESET' ? 'closed' : error.code === 'ECONNREFUSED' ? 'refused' : error.code))
socket.on('close', () => say('closed'))
`

export interface Target {
  host: string
  port: number
}

/** @param image one that has `node` */
export async function fromContainer(
  docker: Docker,
  { network, image }: { network: string; image: string },
  { host, port }: Target,
): Promise<string> {
  const container = await docker.createContainer({
    Image: image,
    Cmd: ['node', '-e', PROBE, host, String(port)],
    Tty: true,
    HostConfig: { NetworkMode: network, CapDrop: ['ALL'] },
  })
  try {
    await container.start()
    await container.wait()
    // The client converts numeric strings to numbers.
    return String(await container.logs({ stdout: true, stderr: true, follow: false })).trim()
  } finally {
    await container.remove({ force: true })
  }
}

/** A neighbour of this machine: a network namespace that is linked to it and routes everything through it. */
export class Neighbour {
  readonly #name = `rfat${randomBytes(4).toString('hex')}`
  readonly address: string
  /** Of this machine, as it sees it. */
  readonly gateway: string

  private constructor() {
    // 198.18.0.0/15 is reserved for benchmarks (RFC 2544), so nobody else uses it.
    const net = randomBytes(2)
    const prefix = `198.${18 + (net[0]! % 2)}.${net[1]}`
    this.address = `${prefix}.2`
    this.gateway = `${prefix}.1`
  }

  static async make(): Promise<Neighbour> {
    const made = new Neighbour()
    const name = made.#name
    const [outside, inside] = [`${name}o`, `${name}i`]
    try {
      await run('ip', ['netns', 'add', name])
      await run('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name])
      await run('ip', ['address', 'add', `${made.gateway}/30`, 'dev', outside])
      await run('ip', ['link', 'set', outside, 'up'])
      await made.#inside('ip', ['address', 'add', `${made.address}/30`, 'dev', inside])
      await made.#inside('ip', ['link', 'set', 'lo', 'up'])
      await made.#inside('ip', ['link', 'set', inside, 'up'])
      await made.#inside('ip', ['route', 'add', 'default', 'via', made.gateway])
      return made
    } catch (error) {
      await made.remove().catch(() => undefined) // Report why it could not be created.
      throw error
    }
  }

  async probe({ host, port }: Target): Promise<string> {
    return this.#inside(process.execPath, ['-e', PROBE, host, String(port)])
  }

  /** Sends a request from there. */
  async fetch(url: string, init: { method?: string; headers?: Record<string, string>; body?: string } = {}) {
    const code = `
      const [url, init] = process.argv.slice(-2)
      fetch(url, JSON.parse(init)).then(async response => {
        console.log(JSON.stringify({ status: response.status, body: await response.text() }))
      })`
    const text = await this.#inside(process.execPath, ['-e', code, url, JSON.stringify(init)])
    return JSON.parse(text) as { status: number; body: string }
  }

  /** Runs a program there. @returns what it wrote @throws an error if it fails */
  run(command: string, args: string[]): Promise<string> {
    return this.#inside(command, args)
  }

  /** Serves every request on one of its ports. @returns a function that stops it */
  async serve(port: number): Promise<() => void> {
    const code = `require('node:http').createServer((_, r) => r.end()).listen(${port}, () => console.log('on'))`
    const server = spawn('ip', ['netns', 'exec', this.#name, process.execPath, '-e', code])
    await once(server.stdout, 'data')
    return () => void server.kill('SIGKILL')
  }

  /** Forwards everything from it, like a machine whose firewall allows that. @returns a function that stops it */
  async forward(): Promise<() => Promise<void>> {
    const rule = (action: string) =>
      run('iptables', ['-w', '5', action, 'FORWARD', '-i', `${this.#name}o`, '-j', 'ACCEPT'])
    await rule('-A')
    return async () => void (await rule('-D'))
  }

  /** Removes both ends of the link. */
  async remove(): Promise<void> {
    await run('ip', ['netns', 'delete', this.#name])
  }

  async #inside(command: string, args: string[]): Promise<string> {
    return (await run('ip', ['netns', 'exec', this.#name, command, ...args])).stdout
  }
}
