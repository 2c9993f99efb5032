/**
 * Messages on core subjects: at most once. What comes while nobody listens, or while more wait than fit, is lost; the
 * latter is reported.
 */
import { randomUUID } from 'node:crypto'
import { subscribeCore, type CoreMessage } from '../../../../bus/index.ts'
import type { Intake, IntakeOptions } from './intake.ts'

const MAX_WAITING = 8_192
const MAX_WAITING_BYTES = 64 * 1024 * 1024

export class CoreIntake implements Intake {
  readonly #options: IntakeOptions
  readonly #waiting: CoreMessage[] = []
  readonly #end: () => void
  #bytes = 0
  #lost = 0

  constructor(options: IntakeOptions) {
    this.#options = options
    const { subject, queue } = options.trigger
    this.#end = subscribeCore(options.bus, { subject, queue }, message => this.#heard(message))
  }

  wake(): void {
    while (this.#waiting.length > 0 && this.#options.slots().free > 0) {
      const { subject, data, headers } = this.#waiting.shift()!
      this.#bytes -= data.length
      this.#options.take({ id: randomUUID(), timeMs: Date.now(), subject, data, headers: headers() })
    }
    if (this.#lost > 0 && this.#waiting.length === 0) {
      this.#options.refused(`${this.#lost} messages were lost: they came faster than the function could take them`)
      this.#lost = 0
    }
  }

  async pending(): Promise<number> {
    return this.#waiting.length
  }

  async stop(): Promise<void> {
    this.#end()
    this.#waiting.length = 0
    // Once the server knows, it gives to others of the group what would have come here.
    const { bus } = this.#options
    if (bus.isConnected) await bus.flush().catch(() => undefined)
  }

  async rest(): Promise<void> {}

  #heard(message: CoreMessage): void {
    if (this.#waiting.length >= MAX_WAITING || this.#bytes + message.data.length > MAX_WAITING_BYTES) {
      this.#lost += 1
      return
    }
    this.#waiting.push(message)
    this.#bytes += message.data.length
    this.wake()
  }
}
