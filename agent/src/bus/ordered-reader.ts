/**
 * Reads a stream in its order, from a place on, without acknowledgements: who reads keeps the place.
 *
 * Invariant: each message is delivered once, in order, without a gap, whatever becomes of connection, server and consumer.
 * The consumer is made again behind the last message that came whenever anything was lost.
 */
import { randomBytes } from 'node:crypto'
import { AckPolicy, DeliverPolicy, nanos, type ConsumerInfo } from 'nats'
import { ask, type Bus } from './bus.ts'
import type { StreamDelivery } from './delivery.ts'
import { Puller } from './puller.ts'
import { streamState } from './stream-state.ts'

export interface OrderedReaderOptions {
  stream: string
  /** Begins the consumer's name at the server. */
  name: string
  /** Subjects that do not overlap, which the server would refuse. */
  filters: string[]
  /** Sequence in the stream of the last message that is not to be read. */
  after: number
  slots: () => { free: number; all: number }
  onMessage: (message: StreamDelivery) => void
  onRefused: (reason: string) => void
}

/** The server forgets a reader that is gone. */
const INACTIVE_MS = 60_000

export class OrderedReader {
  readonly #bus: Bus
  readonly #stream: string
  readonly #puller: Puller
  /** Sequence of the last message that came, or that nothing of interest lies before. */
  #last: number
  #consumer: string | undefined
  /** From the consumer as it is now. */
  #received = 0

  constructor(bus: Bus, options: OrderedReaderOptions) {
    const { stream, name: prefix, filters, slots, onMessage, onRefused } = options
    this.#bus = bus
    this.#stream = stream
    this.#last = options.after
    this.#puller = new Puller(bus, {
      stream,
      slots,
      onRefused,
      ensure: async () => {
        const { name } = await ask(bus, manager =>
          manager.consumers.add(stream, {
            name: `${prefix}-${randomBytes(8).toString('hex')}`,
            ack_policy: AckPolicy.None,
            deliver_policy: DeliverPolicy.StartSequence,
            opt_start_seq: this.#last + 1,
            filter_subjects: filters,
            inactive_threshold: nanos(INACTIVE_MS),
            mem_storage: true,
          }),
        )
        this.#consumer = name
        this.#received = 0
        return name
      },
      onDelivery: message => {
        if (message.consumerSequence !== this.#received + 1) return this.#puller.restart()
        this.#received += 1
        this.#last = message.sequence
        onMessage(message)
      },
    })
  }

  start(): void {
    this.#puller.start()
  }

  /** Slots have become free. */
  wake(): void {
    this.#puller.wake()
  }

  async stop(): Promise<void> {
    await this.#puller.stop()
    const consumer = this.#consumer
    if (consumer === undefined || !this.#bus.isConnected) return
    // If it cannot be removed now, the server forgets it in a minute.
    await ask(this.#bus, manager => manager.consumers.delete(this.#stream, consumer)).catch(() => undefined)
  }

  /**
   * How many messages the server has not handed out yet; undefined while there is no consumer.
   * @throws BusError
   */
  async pending(): Promise<number | undefined> {
    return (await this.#info())?.num_pending
  }

  /**
   * Sequence up to which the stream holds nothing for this reader that did not come. So that a reader whose messages are
   * rare does not hold on to everything that was stored since the last one.
   * @throws BusError
   */
  async seenUpTo(): Promise<number> {
    const { lastSequence } = await streamState(this.#bus, this.#stream)
    const info = await this.#info()
    // What is handed out may still be under way.
    const hasAll = info?.num_pending === 0 && info.delivered.consumer_seq === this.#received
    return hasAll && info.name === this.#consumer ? Math.max(this.#last, lastSequence) : this.#last
  }

  async #info(): Promise<ConsumerInfo | undefined> {
    const consumer = this.#consumer
    return consumer === undefined
      ? undefined
      : ask(this.#bus, manager => manager.consumers.info(this.#stream, consumer))
  }
}
