/**
 * Reads a stream in order from a position, without acknowledgements: the caller keeps the position.
 *
 * Invariant: each message is delivered once, in order, without a gap, whatever happens to connection, server and
 * consumer. When anything is lost, the consumer is created again after the last message received.
 */
import { randomBytes } from 'node:crypto'
import { AckPolicy, DeliverPolicy, nanos, type ConsumerInfo } from 'nats'
import { ask, type Bus } from './bus.ts'
import type { StreamDelivery } from './delivery.ts'
import { Puller } from './puller.ts'
import { streamState } from './stream-state.ts'

export interface OrderedReaderOptions {
  stream: string
  /** Prefix of the consumer's name at the server. */
  name: string
  /** Must not overlap: the server would refuse them. */
  filters: string[]
  /** Stream sequence of the last message to skip. */
  after: number
  slots: () => { free: number; all: number }
  onMessage: (message: StreamDelivery) => void
  onRefused: (reason: string) => void
}

/** The server then forgets a reader that is gone. */
const INACTIVE_MS = 60_000

export class OrderedReader {
  readonly #bus: Bus
  readonly #stream: string
  readonly #puller: Puller
  /** Sequence of the last message received, or up to which nothing matches. */
  #last: number
  #consumer: string | undefined
  /** From the current consumer. */
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
        const { name } = await ask(bus, (manager, names) =>
          manager.consumers.add(names.stream(stream), {
            name: `${prefix}-${randomBytes(8).toString('hex')}`,
            ack_policy: AckPolicy.None,
            deliver_policy: DeliverPolicy.StartSequence,
            opt_start_seq: this.#last + 1,
            filter_subjects: filters.map(names.subject),
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
    // If this fails, the server forgets it after a minute.
    await ask(this.#bus, (manager, names) => manager.consumers.delete(names.stream(this.#stream), consumer)).catch(
      () => undefined,
    )
  }

  /**
   * How many messages the server has not handed out yet; undefined while there is no consumer.
   * @throws BusError
   */
  async pending(): Promise<number | undefined> {
    return (await this.#info())?.num_pending
  }

  /**
   * Sequence up to which this reader has received everything that is meant for it. It lets a reader whose messages are
   * rare release everything that was stored since the last one.
   * @throws BusError
   */
  async seenUpTo(): Promise<number> {
    const { lastSequence } = await streamState(this.#bus, this.#stream)
    const info = await this.#info()
    // Messages that were handed out may still be in flight.
    const hasAll = info?.num_pending === 0 && info.delivered.consumer_seq === this.#received
    return hasAll && info.name === this.#consumer ? Math.max(this.#last, lastSequence) : this.#last
  }

  async #info(): Promise<ConsumerInfo | undefined> {
    const consumer = this.#consumer
    return consumer === undefined
      ? undefined
      : ask(this.#bus, (manager, names) => manager.consumers.info(names.stream(this.#stream), consumer))
  }
}
