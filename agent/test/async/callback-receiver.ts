/** Receives callbacks, checks each signature with the library that receivers use, and remembers them. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { Webhook } from 'standardwebhooks'

export interface ReceivedCallback {
  callId: string
  /** Status of the function, or of the platform if the function did not respond. */
  status: number
  headers: IncomingHttpHeaders
  body: string
  /** Whether the platform's secret signed exactly this. */
  isGenuine: boolean
}

export class CallbackReceiver {
  readonly received: ReceivedCallback[] = []
  readonly refused: ReceivedCallback[] = []
  readonly url: string
  /** Callbacks for which it returns true are refused with 503. */
  refuses: (callback: ReceivedCallback) => boolean = () => false
  readonly #server: Server

  private constructor(server: Server, webhook: Webhook) {
    this.#server = server
    const { address, port } = server.address() as AddressInfo
    this.url = `http://${address}:${port}/callbacks`
    server.on('request', async (request, response) => {
      const { headers } = request
      const body = await text(request)
      const callback = {
        callId: String(headers['x-call-id']),
        status: Number(headers['x-function-status']),
        headers,
        body,
        isGenuine: isGenuine(webhook, body, headers),
      }
      const isRefused = this.refuses(callback)
      ;(isRefused ? this.refused : this.received).push(callback)
      response.writeHead(isRefused ? 503 : 204).end()
    })
  }

  /** @param secret as `ryo-faas env --secrets` shows it */
  static async start(secret: string, address = '127.0.0.1'): Promise<CallbackReceiver> {
    const server = createServer()
    await new Promise<void>(resolve => server.listen(0, address, resolve))
    return new CallbackReceiver(server, new Webhook(secret))
  }

  of(callId: string): ReceivedCallback[] {
    return this.received.filter(callback => callback.callId === callId)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }
}

function isGenuine(webhook: Webhook, body: string, headers: IncomingHttpHeaders): boolean {
  try {
    webhook.verify(body, headers as Record<string, string>, { jsonParse: false })
    return true
  } catch {
    return false // Refused by the library, for whatever reason.
  }
}
