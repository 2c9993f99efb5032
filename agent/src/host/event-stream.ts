/**
 * Server-sent events (HTML Living Standard §9.2) on one answer.
 *
 * Invariants: 1. `onClose` is called once, whichever side ended it. 2. nothing is written after the end. 3. a client that
 * is silent is kept: proxies on the way may give up a connection on which nothing is sent.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'

export interface SentEvent {
  id?: number
  /** One line. */
  data: string
}

export class EventStream {
  readonly #response: ServerResponse

  /** Begins the answer, which is taken from its framework. */
  constructor(response: ServerResponse, { heartbeatMs, onClose }: { heartbeatMs: number; onClose: () => void }) {
    this.#response = response
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', connection: 'close' })
    response.flushHeaders()
    response.on('error', () => undefined) // The client went away; `close` follows.
    const heartbeat = setInterval(() => this.#write(': \n\n'), heartbeatMs)
    const close = () => {
      clearInterval(heartbeat)
      onClose()
    }
    // The client may have left already, and that is told only once.
    if (response.destroyed) setImmediate(close)
    else response.once('close', close)
  }

  /** Bytes that the client has not taken yet. */
  get waitingBytes(): number {
    return this.#response.writableLength
  }

  send(events: readonly SentEvent[]): void {
    this.#write(events.map(({ id, data }) => `${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`).join(''))
  }

  /** Resolves when the client has taken what was sent, or at the signal. */
  async taken(signal: AbortSignal): Promise<void> {
    if (this.#response.writableNeedDrain) await once(this.#response, 'drain', { signal }).catch(() => undefined)
  }

  end(): void {
    this.#response.end()
  }

  /** Does not wait for what the client has not taken. */
  cutOff(error?: Error): void {
    this.#response.destroy(error)
  }

  #write(text: string): void {
    if (!this.#response.writableEnded && !this.#response.destroyed) this.#response.write(text)
  }
}
