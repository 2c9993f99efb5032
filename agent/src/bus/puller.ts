/**
 * A pull consumer that requests exactly as many messages as there are free slots, over one inbox.
 *
 * Why not the library's `consume`: it buffers messages ahead of the work, so with several dispatchers they sit where
 * they do not run; and its `fetch` makes a subscription per batch.
 *
 * Invariants: 1. Requested and not yet delivered (`awaited`) plus taken is at most `slots`. 2. Whatever happens to
 * server or connection, it requests again: a silent server is noticed by missing heartbeats. 3. After `stop` nothing is
 * delivered; what still arrives is given back.
 */
import { createInbox, nanos, type Msg, type Subscription } from 'nats'
import { backoffMs } from '../host/index.ts'
import { linkOf, type Bus } from './bus.ts'
import type { EnsureConsumer } from './consumers.ts'
import { NatsDelivery, type StreamDelivery } from './delivery.ts'

export interface PullerOptions {
  stream: string
  /** Called before the first pull and whenever the server may have lost the consumer. */
  ensure: EnsureConsumer
  /** How many more can be handled now, and the limit. */
  slots: () => { free: number; all: number }
  onDelivery: (delivery: StreamDelivery) => void
  /** The consumer is not available. */
  onRefused: (reason: string) => void
}

const REQUEST_MS = 30_000
const HEARTBEAT_MS = 5_000
const SILENCE_MS = 2.5 * HEARTBEAT_MS
const RESTART = { firstMs: 200, mostMs: 2_000 }
/** Requests wait at the server in a list of bounded length (`max_waiting`, 512), so a few free slots wait for more. */
const REFILL_SHARE = 1 / 16

export class Puller {
  readonly #bus: Bus
  readonly #options: PullerOptions
  #requestSubject = ''
  readonly #removeListener: () => void
  #subscription: Subscription | undefined
  #inbox = ''
  #awaited = 0
  #heardAt = 0
  #isReady = false
  #isStopped = false
  #isWakePlanned = false
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined

  constructor(bus: Bus, options: PullerOptions) {
    this.#bus = bus
    this.#options = options
    this.#removeListener = bus.onReconnect(() => this.restart())
  }

  start(): void {
    this.#watch = setInterval(() => this.#lookAfter(), HEARTBEAT_MS)
    this.restart()
  }

  /** Slots have become free. Those of one turn of the event loop are asked for together. */
  wake(): void {
    if (this.#isWakePlanned) return
    this.#isWakePlanned = true
    void this.#bus.endOfTurn().then(() => {
      this.#isWakePlanned = false
      this.#pull()
    })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#removeListener()
    clearInterval(this.#watch)
    clearTimeout(this.#retry)
    // The server forgets requests whose inbox nobody listens to.
    const subscription = this.#subscription
    this.#subscription = undefined
    if (this.#bus.isConnected)
      await subscription?.drain().catch(() => undefined) // The connection is gone: nothing will arrive.
    else subscription?.unsubscribe()
  }

  /** Starts over with the consumer, in a new inbox, so that late answers do not mix with those to new requests. */
  restart(): void {
    if (this.#isStopped) return
    this.#isReady = false
    this.#awaited = 0
    this.#subscription?.unsubscribe()
    this.#inbox = createInbox()
    this.#subscription = linkOf(this.#bus).connection.subscribe(this.#inbox, {
      callback: (error, message) => {
        if (error === null) this.#received(message)
      },
    })
    clearTimeout(this.#retry)
    this.#retry = undefined
    void this.#ensureConsumer(this.#inbox)
  }

  async #ensureConsumer(inbox: string): Promise<void> {
    const { stream, ensure } = this.#options
    let consumer: string
    try {
      consumer = await ensure(this.#bus)
    } catch (error) {
      if (this.#inbox !== inbox || this.#isStopped) return
      if (this.#bus.isConnected) this.#options.onRefused((error as Error).message)
      return this.#restartLater()
    }
    if (this.#inbox !== inbox || this.#isStopped) return
    this.#requestSubject = `$JS.API.CONSUMER.MSG.NEXT.${linkOf(this.#bus).names.stream(stream)}.${consumer}`
    this.#isReady = true
    this.#failures = 0
    this.#heardAt = performance.now()
    this.#pull()
  }

  #restartLater(): void {
    this.#isReady = false
    if (this.#isStopped || this.#retry !== undefined) return
    this.#failures += 1
    this.#retry = setTimeout(() => this.restart(), backoffMs(RESTART, this.#failures))
  }

  #pull(): void {
    if (!this.#isReady || this.#isStopped || !this.#bus.isConnected) return
    const { free, all } = this.#options.slots()
    const batch = free - this.#awaited
    if (batch <= 0 || (this.#awaited > 0 && batch < all * REFILL_SHARE)) return
    if (this.#awaited === 0) this.#heardAt = performance.now()
    this.#awaited += batch
    const request = { batch, expires: nanos(REQUEST_MS), idle_heartbeat: nanos(HEARTBEAT_MS) }
    linkOf(this.#bus).connection.publish(this.#requestSubject, JSON.stringify(request), { reply: this.#inbox })
  }

  #received(message: Msg): void {
    this.#heardAt = performance.now()
    if (message.reply?.startsWith('$JS.ACK.')) {
      this.#awaited -= 1
      const delivery = new NatsDelivery(message, linkOf(this.#bus).names)
      if (this.#isStopped) delivery.nak()
      else this.#options.onDelivery(delivery)
      this.wake()
    } else {
      this.#statusReceived(message)
    }
  }

  /** ADR-13 of nats-architecture-and-design: status messages of the server. */
  #statusReceived(message: Msg): void {
    const { headers } = message
    if (headers?.code === 100) return // Idle heartbeat.
    const unfulfilled = headers?.get('Nats-Pending-Messages')
    if (unfulfilled) {
      // The request expired; the rest of its messages will not come.
      this.#awaited = Math.max(0, this.#awaited - Number(unfulfilled))
      return this.wake()
    }
    // The consumer is gone, its server is stopping, or there are no responders.
    this.#restartLater()
  }

  #lookAfter(): void {
    if (this.#isReady && this.#awaited > 0 && performance.now() - this.#heardAt > SILENCE_MS) this.restart()
    else this.#pull()
  }
}
