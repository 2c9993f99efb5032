/**
 * A pull consumer that asks for exactly as many messages as there are free slots, over one inbox.
 *
 * Why not the library's `consume`: it keeps a buffer ahead of the work, which with several dispatchers lies where it
 * does not run; and its `fetch` makes a subscription per batch.
 *
 * Invariants: 1. asked for and not yet come (`awaited`) plus taken is at most what `slots` says. 2. whatever happens to
 * server or connection, it asks again: a silent server is noticed by its missing heartbeats. 3. after `stop` nothing is
 * delivered; what still comes is given back.
 */
import { AckPolicy, createInbox, nanos, type Msg, type MsgHdrs, type Subscription } from 'nats'
import type { CallError } from '../../../contract/index.ts'
import { REDRIVEN_HEADER, type Bus, type Manager } from '../../../bus/index.ts'
import type { Turn } from './turn.ts'

/** A message that is ours until it is acknowledged, given back, or no sign of life came for `ackWaitMs`. */
export interface Delivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: MsgHdrs | undefined
  /** Counts from 1. */
  readonly count: number
  /** There may be a state of it although it is delivered for the first time: it was redriven. */
  readonly mayBeKnown: boolean
  /** Why it cannot be run, where that is known before. */
  readonly refusal?: CallError | undefined
  ack(): void
  /** Gives it back, to be delivered again after `delayMs`. */
  nak(delayMs?: number): void
  /** Tells the server that it is still being worked on. */
  working(): void
}

/** A message as the server delivers it. */
export interface StreamDelivery extends Delivery {
  /** In the stream. */
  readonly sequence: number
  /** Counts the deliveries of the consumer from 1. */
  readonly consumerSequence: number
}

/** A durable consumer of which any number of pullers share the messages. */
export function durableConsumer(stream: string, options: { name: string; filter: string; ackWaitMs: number }) {
  return async (manager: Manager): Promise<string> => {
    await manager.consumers.add(stream, {
      durable_name: options.name,
      filter_subject: options.filter,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(options.ackWaitMs),
      max_deliver: -1,
      // What waits for its retry counts as pending and must not block the rest.
      max_ack_pending: -1,
    })
    return options.name
  }
}

export interface PullerOptions {
  stream: string
  /** Makes or finds the consumer, before the first pull and whenever the server may have lost it. @returns its name. */
  ensure: (manager: Manager) => Promise<string>
  turn: Turn
  /** How many more could be worked on now, and how many at most ever. */
  slots: () => { free: number; all: number }
  onDelivery: (delivery: StreamDelivery) => void
  /** The server does not let us have the consumer. */
  onRefused: (reason: string) => void
}

const REQUEST_MS = 30_000
const HEARTBEAT_MS = 5_000
const SILENCE_MS = 2.5 * HEARTBEAT_MS
const RETRY_MS = 200
const MOST_RETRY_MS = 2_000
/** Requests wait at the server in a list of bounded length (`max_waiting`, 512), so a few free slots wait for more. */
const REFILL_SHARE = 1 / 16

export class Puller {
  private readonly bus: Bus
  private readonly options: PullerOptions
  private requestSubject = ''
  private readonly removeListener: () => void
  private subscription: Subscription | undefined
  private inbox = ''
  private awaited = 0
  private heardAt = 0
  private isReady = false
  private isStopped = false
  private isWakePlanned = false
  private retryMs = RETRY_MS
  private retry: NodeJS.Timeout | undefined
  private watch: NodeJS.Timeout | undefined

  constructor(bus: Bus, options: PullerOptions) {
    this.bus = bus
    this.options = options
    this.removeListener = bus.onReconnect(() => this.restart())
  }

  start(): void {
    this.watch = setInterval(() => this.lookAfter(), HEARTBEAT_MS)
    this.restart()
  }

  /** Slots have become free. Those of one turn of the event loop are asked for together. */
  wake(): void {
    if (this.isWakePlanned) return
    this.isWakePlanned = true
    void this.options.turn.end().then(() => {
      this.isWakePlanned = false
      this.pull()
    })
  }

  async stop(): Promise<void> {
    this.isStopped = true
    this.removeListener()
    clearInterval(this.watch)
    clearTimeout(this.retry)
    // The server forgets requests whose inbox nobody listens to.
    const subscription = this.subscription
    this.subscription = undefined
    if (this.bus.isConnected)
      await subscription?.drain().catch(() => undefined) // The connection went: nothing comes.
    else subscription?.unsubscribe()
  }

  /** Starts over with the consumer. In a new inbox, so that answers to what was asked before do not mix with those to come. */
  restart(): void {
    if (this.isStopped) return
    this.isReady = false
    this.awaited = 0
    this.subscription?.unsubscribe()
    this.inbox = createInbox()
    this.subscription = this.bus.connection.subscribe(this.inbox, {
      callback: (error, message) => {
        if (error === null) this.received(message)
      },
    })
    clearTimeout(this.retry)
    this.retry = undefined
    void this.ensureConsumer(this.inbox)
  }

  private async ensureConsumer(inbox: string): Promise<void> {
    const { stream, ensure } = this.options
    let consumer: string
    try {
      consumer = await this.bus.ask(ensure)
    } catch (error) {
      if (this.inbox !== inbox || this.isStopped) return
      if (this.bus.isConnected) this.options.onRefused((error as Error).message)
      return this.restartLater()
    }
    if (this.inbox !== inbox || this.isStopped) return
    this.requestSubject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`
    this.isReady = true
    this.retryMs = RETRY_MS
    this.heardAt = performance.now()
    this.pull()
  }

  private restartLater(): void {
    this.isReady = false
    if (this.isStopped || this.retry !== undefined) return
    this.retry = setTimeout(() => this.restart(), this.retryMs)
    this.retryMs = Math.min(MOST_RETRY_MS, this.retryMs * 2)
  }

  private pull(): void {
    if (!this.isReady || this.isStopped || !this.bus.isConnected) return
    const { free, all } = this.options.slots()
    const batch = free - this.awaited
    if (batch <= 0 || (this.awaited > 0 && batch < all * REFILL_SHARE)) return
    if (this.awaited === 0) this.heardAt = performance.now()
    this.awaited += batch
    const request = { batch, expires: nanos(REQUEST_MS), idle_heartbeat: nanos(HEARTBEAT_MS) }
    this.bus.connection.publish(this.requestSubject, JSON.stringify(request), { reply: this.inbox })
  }

  private received(message: Msg): void {
    this.heardAt = performance.now()
    if (message.reply?.startsWith('$JS.ACK.')) {
      this.awaited -= 1
      const delivery = new NatsDelivery(message)
      if (this.isStopped) delivery.nak()
      else this.options.onDelivery(delivery)
      this.wake()
    } else {
      this.statusReceived(message)
    }
  }

  /** ADR-13 of nats-architecture-and-design: what the server says in place of messages. */
  private statusReceived(message: Msg): void {
    const { headers } = message
    if (headers?.code === 100) return // Idle heartbeat.
    const unfulfilled = headers?.get('Nats-Pending-Messages')
    if (unfulfilled) {
      // The request ran out; the rest of what it asked for does not come.
      this.awaited = Math.max(0, this.awaited - Number(unfulfilled))
      return this.wake()
    }
    // The consumer is gone, its server ends, or nobody is there.
    this.restartLater()
  }

  private lookAfter(): void {
    if (this.isReady && this.awaited > 0 && performance.now() - this.heardAt > SILENCE_MS) this.restart()
    else this.pull()
  }
}

const ACK = Buffer.from('+ACK')
const NAK = Buffer.from('-NAK')
const WORKING = Buffer.from('+WPI')

class NatsDelivery implements StreamDelivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly headers: MsgHdrs | undefined
  readonly count: number
  readonly sequence: number
  readonly consumerSequence: number
  readonly mayBeKnown: boolean
  private readonly message: Msg

  constructor(message: Msg) {
    this.message = message
    this.subject = message.subject
    this.data = message.data
    this.headers = message.headers
    this.mayBeKnown = message.headers?.has(REDRIVEN_HEADER) === true
    // $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream sequence>.… (ADR-15)
    const tokens = message.reply!.split('.')
    const at = tokens.length === 9 ? 4 : 6
    this.count = Number(tokens[at])
    this.sequence = Number(tokens[at + 1])
    this.consumerSequence = Number(tokens[at + 2])
  }

  ack(): void {
    this.respond(ACK)
  }

  nak(delayMs = 0): void {
    this.respond(delayMs <= 0 ? NAK : Buffer.from(`-NAK {"delay":${nanos(Math.ceil(delayMs))}}`))
  }

  working(): void {
    this.respond(WORKING)
  }

  private respond(payload: Uint8Array): void {
    try {
      this.message.respond(payload)
    } catch {
      // The connection is closed for good: the message comes again when its time without a sign of life is over.
    }
  }
}
