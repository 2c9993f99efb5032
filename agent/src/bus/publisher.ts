/**
 * Publishing with acknowledgement, pipelined: any number in flight over one reply subject.
 *
 * Why not the library's `JetStreamClient.publish`: it creates a timer and three promises per message and waits out its
 * timeout when the connection is lost. Here one sweep covers all, and a lost connection fails them at once.
 *
 * Invariants: 1. Every publish settles: acknowledged, refused, connection lost, or timed out. 2. One that failed
 * with UNAVAILABLE may still have been stored.
 */
import { createInbox, type Msg, type MsgHdrs, type NatsConnection, type Subscription } from 'nats'
import { BusError, fromApiError, type ApiError } from './bus-error.ts'

export interface PublishAck {
  stream: string
  /** Sequence of the stored message in its stream. */
  sequence: number
  /** The stream knew the message id already and stored nothing. */
  isDuplicate: boolean
}

interface Waiting {
  resolve(ack: PublishAck): void
  reject(error: BusError): void
  deadline: number
}

const SWEEP_MS = 100

export class Publisher {
  private readonly connection: NatsConnection
  private readonly timeoutMs: number
  private readonly prefix: string
  private readonly subscription: Subscription
  private readonly waiting = new Map<string, Waiting>()
  private sweeper: NodeJS.Timeout | undefined
  private last = 0

  constructor(connection: NatsConnection, timeoutMs: number) {
    this.connection = connection
    this.timeoutMs = timeoutMs
    this.prefix = `${createInbox()}.`
    this.subscription = connection.subscribe(`${this.prefix}*`, {
      callback: (_error, message) => this.answered(message),
    })
  }

  /** @throws BusError */
  publish(subject: string, data: Uint8Array, headers?: MsgHdrs): Promise<PublishAck> {
    return new Promise((resolve, reject) => {
      const token = (++this.last).toString(36)
      this.waiting.set(token, { resolve, reject, deadline: performance.now() + this.timeoutMs })
      this.sweeper ??= setInterval(() => this.sweep(), SWEEP_MS)
      try {
        const reply = this.prefix + token
        this.connection.publish(subject, data, headers === undefined ? { reply } : { reply, headers })
      } catch (error) {
        this.waiting.delete(token)
        reject(new BusError('UNAVAILABLE', 'NATS is not accepting messages', error))
      }
    })
  }

  /** Fails all pending ones: their acknowledgements went to a connection that is gone. */
  connectionLost(): void {
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    for (const { reject } of waiting) reject(new BusError('UNAVAILABLE', 'the connection to the bus was lost'))
  }

  close(): void {
    clearInterval(this.sweeper)
    this.connectionLost()
    this.subscription.unsubscribe()
  }

  private answered(message: Msg): void {
    const token = message.subject.slice(this.prefix.length)
    const waiting = this.waiting.get(token)
    if (waiting === undefined) return
    this.waiting.delete(token)
    // No responders: the stream does not exist (yet).
    if (message.data.length === 0) return waiting.reject(new BusError('UNAVAILABLE', 'no stream takes this message'))
    const answer = message.json<{ stream?: string; seq?: number; duplicate?: boolean; error?: ApiError }>()
    if (answer.error !== undefined) return waiting.reject(fromApiError(answer.error))
    waiting.resolve({ stream: answer.stream!, sequence: answer.seq!, isDuplicate: answer.duplicate === true })
  }

  private sweep(): void {
    const now = performance.now()
    // In order of their deadlines, because the map keeps the order of insertion.
    for (const [token, { deadline, reject }] of this.waiting) {
      if (deadline > now) return
      this.waiting.delete(token)
      reject(new BusError('UNAVAILABLE', `no acknowledgement within ${this.timeoutMs} ms`))
    }
    clearInterval(this.sweeper)
    this.sweeper = undefined
  }
}
