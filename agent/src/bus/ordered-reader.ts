/**
 * Reads the events of a trigger in the order of the stream, from a place on.
 *
 * Invariant: each is delivered once, in order, without a gap, whatever becomes of connection, server and consumer. The
 * consumer is made again behind the last event that came whenever anything was lost.
 */
import { randomBytes } from 'node:crypto'
import { AckPolicy, DeliverPolicy, nanos, type ConsumerInfo } from 'nats'
import { STREAMS, type Bus } from '../../../bus/index.ts'
import { Puller, type StreamDelivery } from '../pacing/puller.ts'
import type { Turn } from '../pacing/turn.ts'

export interface EventReaderOptions {
  /** Sequence in the stream of the last event that is not to be read. */
  after: number
  filters: string[]
  turn: Turn
  slots: () => { free: number; all: number }
  onEvent: (message: StreamDelivery) => void
  onRefused: (reason: string) => void
}

/** The server forgets a reader that is gone. */
const INACTIVE_MS = 60_000

export class EventReader {
  private readonly bus: Bus
  private readonly puller: Puller
  /** Sequence of the last event that came, or that nothing of interest lies before. */
  private last: number
  private consumer: string | undefined
  /** From the consumer as it is now. */
  private received = 0

  constructor(bus: Bus, { after, filters, onEvent, ...options }: EventReaderOptions) {
    this.bus = bus
    this.last = after
    this.puller = new Puller(bus, {
      ...options,
      stream: STREAMS.events,
      ensure: async manager => {
        const { name } = await manager.consumers.add(STREAMS.events, {
          name: `trigger-${randomBytes(8).toString('hex')}`,
          ack_policy: AckPolicy.None,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: this.last + 1,
          filter_subjects: filters,
          inactive_threshold: nanos(INACTIVE_MS),
          mem_storage: true,
        })
        this.consumer = name
        this.received = 0
        return name
      },
      onDelivery: message => {
        if (message.consumerSequence !== this.received + 1) return this.puller.restart()
        this.received += 1
        this.last = message.sequence
        onEvent(message)
      },
    })
  }

  start(): void {
    this.puller.start()
  }

  wake(): void {
    this.puller.wake()
  }

  async stop(): Promise<void> {
    await this.puller.stop()
    const { consumer } = this
    if (consumer === undefined || !this.bus.isConnected) return
    // If it cannot be removed now, the server forgets it in a minute.
    await this.bus.ask(manager => manager.consumers.delete(STREAMS.events, consumer)).catch(() => undefined)
  }

  /**
   * How many events of the trigger the server has not handed out yet; undefined while there is no consumer.
   * @throws BusError
   */
  async pending(): Promise<number | undefined> {
    return (await this.info())?.num_pending
  }

  /**
   * Sequence up to which the stream holds nothing for this reader that did not come. So that a trigger whose events
   * are rare does not hold on to everything that was stored since the last one.
   * @throws BusError
   */
  async seenUpTo(): Promise<number> {
    const { state } = await this.bus.ask(manager => manager.streams.info(STREAMS.events))
    const info = await this.info()
    // What is handed out may still be under way.
    const hasAll = info?.num_pending === 0 && info.delivered.consumer_seq === this.received
    return hasAll && info.name === this.consumer ? Math.max(this.last, state.last_seq) : this.last
  }

  private async info(): Promise<ConsumerInfo | undefined> {
    const { consumer } = this
    return consumer === undefined
      ? undefined
      : this.bus.ask(manager => manager.consumers.info(STREAMS.events, consumer))
  }
}
