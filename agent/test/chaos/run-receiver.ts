/**
 * What functions tell of their runs, outside of the machines that are killed: each posts a line before it answers, and fails
 * if it is not heard, so that a run which counted is written down.
 */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export class RunReceiver {
  readonly url: string
  readonly #lines = new Map<string, unknown[]>()
  readonly #server: Server

  private constructor(server: Server) {
    const { address, port } = server.address() as AddressInfo
    this.url = `http://${address}:${port}`
    this.#server = server
    server.on('request', async (request, response) => {
      const function_ = request.url!.slice(1)
      const line: unknown = JSON.parse(await text(request))
      const lines = this.#lines.get(function_) ?? []
      lines.push(line)
      this.#lines.set(function_, lines)
      response.writeHead(204).end()
    })
  }

  static async start(address: string): Promise<RunReceiver> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, address, resolve))
    return new RunReceiver(server)
  }

  /** In the order in which they were told. */
  of<Line>(name: string): Line[] {
    return (this.#lines.get(name) ?? []) as Line[]
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}
