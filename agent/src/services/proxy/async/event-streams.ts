/**
 * Server-sent events (HTML Living Standard §9.2) on answers taken from fastify.
 *
 * Invariants: 1. a client that does not read is cut off, not buffered for. 2. `close` ends them all.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'

export interface EventStream {
  send(data: object): void
  end(): void
}

const KEEP_ALIVE_MS = 15_000
const MOST_BUFFERED_BYTES = 1024 * 1024

export class EventStreams {
  private readonly streams = new Set<ServerResponse>()
  private isClosed = false

  /** @param onClose called once, when either side ended it. */
  open(reply: FastifyReply, onClose: () => void): EventStream {
    reply.hijack()
    const response = reply.raw
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', connection: 'close' })
    response.flushHeaders()
    this.streams.add(response)
    // Proxies between us and the client may give up a connection that is silent.
    const timer = setInterval(() => response.write(':\n\n'), KEEP_ALIVE_MS)
    const end = () => {
      clearInterval(timer)
      this.streams.delete(response)
      onClose()
    }
    // The client may have left already, and that is told only once.
    if (response.destroyed) setImmediate(end)
    else response.once('close', end)
    if (this.isClosed) response.end()
    return {
      send: data => {
        if (response.writableEnded || response.destroyed) return
        response.write(`data: ${JSON.stringify(data)}\n\n`)
        if (response.writableLength > MOST_BUFFERED_BYTES) response.destroy()
      },
      end: () => void response.end(),
    }
  }

  close(): void {
    this.isClosed = true
    for (const response of this.streams) response.end()
  }
}
