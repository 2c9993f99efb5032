/**
 * The event streams that are open.
 *
 * Invariants: 1. A client that does not read is cut off, not buffered for. 2. `close` ends them all. 3. No address has
 * more than `MOST_PER_ADDRESS` open, except reverse proxies that the operator trusts: they have many clients.
 */
import type { FastifyReply } from 'fastify'
import { EventStream } from '../../../host/index.ts'
import type { TrustedPeers } from '../access/trusted-peers.ts'

export interface OpenStream {
  send(data: object): void
  end(): void
}

const HEARTBEAT_MS = 15_000
const MOST_WAITING_BYTES = 1024 * 1024
const MOST_PER_ADDRESS = 64

export class TooManyStreams extends Error {}

export class EventStreams {
  private readonly streams = new Set<EventStream>()
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
  open(reply: FastifyReply, onClose: () => void): OpenStream {
    // Without an address the client has left already.
    const address = reply.request.socket.remoteAddress ?? ''
    if (!this.trusted.has(address) && (this.openOf.get(address) ?? 0) >= MOST_PER_ADDRESS) {
      onClose()
      throw new TooManyStreams(`your address has ${MOST_PER_ADDRESS} event streams open: close some of them`)
    }
    this.count(address, 1)
    reply.hijack()
    const stream = new EventStream(reply.raw, {
      heartbeatMs: HEARTBEAT_MS,
      onClose: () => {
        this.streams.delete(stream)
        this.count(address, -1)
        onClose()
      },
    })
    this.streams.add(stream)
    if (this.isClosed) stream.end()
    return {
      send: data => {
        stream.send([{ data: JSON.stringify(data) }])
        if (stream.waitingBytes > MOST_WAITING_BYTES) stream.cutOff()
      },
      end: () => stream.end(),
    }
  }

  close(): void {
    this.isClosed = true
    for (const stream of this.streams) stream.end()
  }

  private count(address: string, change: 1 | -1): void {
    const open = (this.openOf.get(address) ?? 0) + change
    if (open === 0) this.openOf.delete(address)
    else this.openOf.set(address, open)
  }
}
