/**
 * Messages through a durable consumer of JetStream: at least once. Its server keeps the place.
 *
 * Invariants: 1. A message is acknowledged when its call is final, and not before. 2. Until then the server hears that
 * it is being worked on, however long it waits or is retried; if this process dies, the server delivers it again. 3. One
 * that is delivered again while we have it is not taken twice.
 */
import { backlogOf, givenConsumer, Puller, type StreamDelivery } from '../../../../bus/index.ts'
import type { Intake, IntakeOptions } from './intake.ts'

interface Held {
  delivery: StreamDelivery
  isBegun: boolean
}

export class DurableIntake implements Intake {
  readonly #options: IntakeOptions
  readonly #stream: string
  readonly #puller: Puller
  /** By sequence in the stream. */
  readonly #held = new Map<number, Held>()
  #working: NodeJS.Timeout | undefined
  #ackWaitMs = 0
  #isStopped = false
  #onRest: (() => void) | undefined

  constructor(stream: string, options: IntakeOptions) {
    const { bus, trigger, from, slots, refused } = options
    this.#stream = stream
    this.#options = options
    const startTime = trigger.deliver === 'all' ? undefined : from
    const name = trigger.durable!
    this.#puller = new Puller(bus, {
      stream,
      slots,
      onRefused: refused,
      ensure: async () => {
        const { ackWaitMs } = await givenConsumer(bus, stream, { name, subject: trigger.subject, startTime })
        this.#ackWaitMs = ackWaitMs
        if (!this.#isStopped) this.#tellEvery(ackWaitMs / 3)
        return name
      },
      onDelivery: delivery => this.#delivered(delivery),
    })
    this.#puller.start()
  }

  wake(): void {
    this.#puller.wake()
  }

  async pending(): Promise<number | undefined> {
    const { bus, trigger } = this.#options
    const backlog = await backlogOf(bus, this.#stream, trigger.durable!).catch(() => undefined)
    return backlog?.waiting
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    // What does not end by itself now, because it was to be tried again, goes to whoever is next.
    clearInterval(this.#working)
    await this.#puller.stop()
    for (const [sequence, { delivery, isBegun }] of this.#held) {
      if (isBegun) continue
      this.#held.delete(sequence)
      delivery.nak()
    }
  }

  async rest(): Promise<void> {
    if (this.#held.size === 0) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, this.#ackWaitMs).unref()
      this.#onRest = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #delivered(delivery: StreamDelivery): void {
    const { sequence, subject, data, storedAtMs: timeMs } = delivery
    const known = this.#held.get(sequence)
    if (known !== undefined) {
      known.delivery = delivery
      return
    }
    const held: Held = { delivery, isBegun: false }
    this.#held.set(sequence, held)
    this.#options.take({
      ...{ id: `${this.#stream}.${sequence}`, timeMs, subject, data, stream: this.#stream },
      headers: delivery.headers(),
      begun: () => void (held.isBegun = true),
      ended: () => {
        held.delivery.ack()
        this.#held.delete(sequence)
        if (this.#held.size === 0) this.#onRest?.()
      },
    })
  }

  #tellEvery(ms: number): void {
    clearInterval(this.#working)
    this.#working = setInterval(() => {
      for (const { delivery } of this.#held.values()) delivery.working()
    }, ms)
  }
}
