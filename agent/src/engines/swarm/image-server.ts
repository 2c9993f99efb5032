/**
 * Hands images to the machines of the swarm: the part of a registry that Docker pulls from (OCI distribution-spec), over
 * HTTP on the address of this machine in the swarm. What is fetched is named by its digest, which the managers of the
 * swarm hand to the machines over their own encrypted connection: nobody in between can put other code in its place.
 *
 * Invariant: a client that is no machine of the swarm is not answered.
 */
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import type { BlobStore } from '../oci/blob-store.ts'
import { MANIFEST } from '../oci/oci-images.ts'

const CONTENT = /^\/v2\/[a-z0-9/._-]+\/(manifests|blobs)\/(sha256:[0-9a-f]{64})$/

export interface ImageServerOptions {
  /** Of this machine in the swarm. */
  host: string
  blobs: BlobStore
  isMachine: (address: string) => boolean
}

export class ImageServer {
  readonly #options: ImageServerOptions
  readonly #server: Server

  private constructor(options: ImageServerOptions) {
    this.#options = options
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.on('connection', socket => {
      const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
      if (!options.isMachine(address)) socket.destroy()
    })
  }

  static async start(options: ImageServerOptions): Promise<ImageServer> {
    const server = new ImageServer(options)
    await once(server.#server.listen(0, options.host), 'listening')
    return server
  }

  /** Host and port, as the first part of a reference. */
  get address(): string {
    const { host } = this.#options
    const { port } = this.#server.address() as AddressInfo
    return `${host.includes(':') ? `[${host}]` : host}:${port}`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead) return end(response, 405)
    if (request.url === '/v2/') return end(response, 200)
    const [, kind, digest] = CONTENT.exec(request.url ?? '') ?? []
    if (digest === undefined) return end(response, 404)
    const path = this.#options.blobs.pathOf(digest)
    const info = await stat(path).catch(() => undefined)
    if (info === undefined) return end(response, 404)
    response.writeHead(200, {
      'content-type': kind === 'manifests' ? MANIFEST : 'application/octet-stream',
      'content-length': info.size,
      'docker-content-digest': digest,
    })
    if (request.method === 'HEAD') return void response.end()
    // A client that went away has nothing to be told.
    await pipeline(createReadStream(path), response).catch(() => undefined)
  }
}

function end(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'docker-distribution-api-version': 'registry/2.0' }).end()
}
