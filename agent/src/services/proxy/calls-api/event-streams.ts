/**
 * Server-sent events (HTML Living Standard §9.2) on answers taken from fastify.
 *
 * Invariants: 1. a client that does not read is cut off, not buffered for. 2. `close` ends them all. 3. no address has
 * more than `MOST_PER_ADDRESS` open, but for reverse proxies that the operator trusts: many clients come by these.
 */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { TrustedPeers } from '../access/trusted-peers.ts'

export interface EventStream {
  send(data: object): void
  end(): void
}

const KEEP_ALIVE_MS = 15_000
const MOST_BUFFERED_BYTES = 1024 * 1024
const MOST_PER_ADDRESS = 64

export class TooManyStreams extends Error {}

export class EventStreams {
  private readonly streams = new Set<ServerResponse>()
  private readonly openOf = new Map<string, number>()
  private readonly trusted: TrustedPeers
  private isClosed = false

  constructor(trusted: TrustedPeers) {
    this.trusted = trusted
  }

  /**
   * @param onClose called once: when either side ended it, or before this throws
   * @throws TooManyStreams
   */
  open(reply: FastifyReply, onClose: () => void): EventStream {
    // Without an address the client has left already.
    const address = reply.request.socket.remoteAddress ?? ''
    if (!this.trusted.has(address) && (this.openOf.get(address) ?? 0) >= MOST_PER_ADDRESS) {
      onClose()
      throw new TooManyStreams(`your address has ${MOST_PER_ADDRESS} event streams open: close some of them`)
    }
    this.count(address, 1)
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
      this.count(address, -1)
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

  private count(address: string, change: 1 | -1): void {
    const open = (this.openOf.get(address) ?? 0) + change
    if (open === 0) this.openOf.delete(address)
    else this.openOf.set(address, open)
  }
}
