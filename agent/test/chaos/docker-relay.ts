/**
 * Stands between a platform and Docker, as another unix socket. Each request about a container is a step at which a test
 * may stop: before it reaches Docker, and before its answer reaches the platform. It can also break the stream of
 * Docker's events.
 */
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'

const DOCKER_SOCKET = '/var/run/docker.sock'

export interface DockerStep {
  moment: 'before' | 'after'
  /** `create`, `start`, `pause`, `unpause`, `rename`, … */
  action: string
  /** Id or name of the container; of one that is being created, its name. */
  container: string
}

export class DockerRelay {
  /** For `DOCKER_HOST`. */
  readonly address: string
  /** The request, or its answer, goes on once it resolves. */
  onStep: (step: DockerStep) => Promise<void> | undefined = () => undefined
  readonly #server: http.Server
  readonly #watches = new Set<ServerResponse>()

  private constructor(socketPath: string) {
    this.address = `unix://${socketPath}`
    this.#server = http.createServer((request, response) => {
      // Whoever asked may be killed at any time.
      void this.#relay(request, response).catch(() => response.destroy())
    })
  }

  static async open(socketPath: string): Promise<DockerRelay> {
    const relay = new DockerRelay(socketPath)
    await new Promise<void>((resolve, reject) => relay.#server.once('error', reject).listen(socketPath, resolve))
    return relay
  }

  /** @returns how many streams of events it has broken */
  breakWatch(): number {
    const broken = [...this.#watches]
    for (const response of broken) response.destroy()
    return broken.length
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  async #relay(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const step = stepOf(request)
    if (step !== undefined) await this.onStep({ ...step, moment: 'before' })
    // It died before it had asked.
    if (request.socket.destroyed) return
    const { method, url: path, headers } = request
    const asked = http.request({ socketPath: DOCKER_SOCKET, method, path, headers, agent: false })
    response.on('close', () => asked.destroy())
    void pipeline(request, asked).catch(() => undefined)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    if (step !== undefined) await this.onStep({ ...step, moment: 'after' })
    if (pathOf(request) === '/events') {
      this.#watches.add(response)
      response.once('close', () => this.#watches.delete(response))
    }
    response.writeHead(answer.statusCode!, answer.headers)
    response.flushHeaders()
    await pipeline(answer, response)
  }
}

/** Without the version of the API. */
function pathOf({ url }: IncomingMessage): string {
  return new URL(url!, 'http://docker').pathname.replace(/^\/v[\d.]+/, '')
}

function stepOf(request: IncomingMessage): Omit<DockerStep, 'moment'> | undefined {
  const path = pathOf(request)
  if (request.method === 'DELETE') {
    const [, container] = /^\/containers\/([^/]+)$/.exec(path) ?? []
    return container === undefined ? undefined : { action: 'remove', container }
  }
  if (request.method !== 'POST') return undefined
  if (path === '/containers/create') {
    return { action: 'create', container: new URL(request.url!, 'http://docker').searchParams.get('name') ?? '' }
  }
  const [, container, action] = /^\/containers\/([^/]+)\/(\w+)$/.exec(path) ?? []
  return container === undefined ? undefined : { action: action!, container }
}
