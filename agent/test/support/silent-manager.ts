/**
 * In the place of Docker: a manager of a swarm of one machine in which nothing runs. While its managers have no leader it
 * takes questions and does not answer them, as Docker's do.
 */
import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'

export class SilentManager {
  readonly #server: Server
  readonly #address: string
  readonly #unanswered = new Set<() => void>()
  #hasLeader = true
  /** How often somebody has looked at the swarm. */
  prepared = 0

  private constructor() {
    const all = Object.values(networkInterfaces()).flatMap(each => each ?? [])
    this.#address = all.find(({ family, internal }) => family === 'IPv4' && !internal)!.address
    this.#server = createServer(({ url = '' }, response) => {
      const answer = () => this.#answer(url, response)
      if (this.#hasLeader) answer()
      else this.#unanswered.add(answer)
    })
  }

  static async start(): Promise<SilentManager> {
    const manager = new SilentManager()
    await once(manager.#server.listen(0, '127.0.0.1'), 'listening')
    return manager
  }

  /** For `DOCKER_HOST`. */
  get dockerHost(): string {
    return `tcp://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  set hasLeader(has: boolean) {
    this.#hasLeader = has
    if (!has) return
    for (const answer of this.#unanswered) answer()
    this.#unanswered.clear()
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  #answer(url: string, response: ServerResponse): void {
    const json = (value: unknown) =>
      void response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
    const address = this.#address
    const path = url.split('?')[0]!.replace(/^\/v1\.\d+/, '')
    if (path === '/_ping') return void response.end('OK')
    if (path === '/info') {
      const Swarm = { NodeID: 'n1', NodeAddr: address, LocalNodeState: 'active', ControlAvailable: true }
      return json({ ServerVersion: '26.1', OperatingSystem: 'Linux', OSType: 'linux', Swarm })
    }
    if (path === '/networks/docker_gwbridge') this.prepared += 1
    if (path === '/nodes') {
      const about = { Description: { Hostname: 'm1' }, Spec: {}, ManagerStatus: { Addr: `${address}:2377` } }
      return json([{ ID: 'n1', Status: { State: 'ready', Addr: address }, ...about }])
    }
    if (['/tasks', '/services', '/networks', '/secrets', '/configs'].includes(path)) return json([])
    response.statusCode = 404
    json({ message: 'not found' })
  }
}
