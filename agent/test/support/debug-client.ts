/** A client of the Debug Adapter Protocol, as an editor is one: `Content-Length` frames with JSON over a socket. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { until } from './until.ts'

interface Message {
  type: 'response' | 'event' | 'request'
  request_seq?: number
  success?: boolean
  message?: string
  event?: string
  body?: Record<string, unknown>
}

export class DebugClient {
  readonly #socket: Socket
  readonly #received: Message[] = []
  #sequence = 0
  #rest = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (piece: Buffer) => this.#read(piece))
    // Whoever waits for an answer says so.
    socket.on('error', () => undefined)
  }

  /** Resolves when the debugger listens. */
  static connect(port: number): Promise<DebugClient> {
    return until(async () => {
      const socket = connect(port, '127.0.0.1')
      try {
        await once(socket, 'connect')
        return new DebugClient(socket)
      } catch {
        return undefined
      }
    })
  }

  /** Does not wait for the response. @returns its number */
  send(command: string, given: object = {}): number {
    const text = JSON.stringify({ seq: ++this.#sequence, type: 'request', command, arguments: given })
    this.#socket.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
    return this.#sequence
  }

  /** @throws Error if it is refused */
  async ask(command: string, given: object = {}): Promise<Record<string, unknown>> {
    const sequence = this.send(command, given)
    const isAnswer = ({ type, request_seq: to }: Message) => type === 'response' && to === sequence
    const { success, message, body = {} } = await until(async () => this.#received.find(isAnswer))
    if (success !== true) throw new Error(`${command}: ${message} ${JSON.stringify(body)}`)
    return body
  }

  event(name: string): Promise<Record<string, unknown>> {
    return until(async () => {
      const found = this.#received.findIndex(({ type, event }) => type === 'event' && event === name)
      return found < 0 ? undefined : (this.#received.splice(found, 1)[0]!.body ?? {})
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(piece: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, piece])
    for (;;) {
      const end = this.#rest.indexOf('\r\n\r\n')
      const [, length] = /Content-Length: (\d+)/i.exec(this.#rest.subarray(0, Math.max(0, end)).toString()) ?? []
      if (length === undefined || this.#rest.length < end + 4 + Number(length)) return
      this.#received.push(JSON.parse(this.#rest.subarray(end + 4, end + 4 + Number(length)).toString()) as Message)
      this.#rest = this.#rest.subarray(end + 4 + Number(length))
    }
  }
}
