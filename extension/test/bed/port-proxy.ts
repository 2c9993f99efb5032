/** Passes ports of this machine on as editors in a browser do: below a path, under a name that is not the machine's. */
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

const PATH = /^\/proxy\/(\d+)(\/.*)$/

export class PortProxy {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<PortProxy> {
    const server = createServer((incoming, response) => {
      const [, port, path] = PATH.exec(incoming.url!) ?? []
      if (port === undefined) return void response.writeHead(404).end()
      const { method, headers } = incoming
      const onward = request({ host: '127.0.0.1', port, path, method, headers }, answer => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      })
      onward.once('error', () => response.destroy())
      response.once('close', () => onward.destroy())
      incoming.pipe(onward)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return new PortProxy(server)
  }

  /** As the editor's server gets it. Browsers take every name below `localhost` for this machine (RFC 6761). */
  get template(): string {
    return `http://ports.localhost:${(this.#server.address() as AddressInfo).port}/proxy/{{port}}/`
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}
