/**
 * The state of an attempt that has begun, written only if it takes long: most end sooner, and then the end says all.
 *
 * Why that is safe: the server counts deliveries on disk. An attempt that ended its dispatcher before anything was
 * written is known from the count (see `beforeFirstState`).
 */
import { BusError, type Bus } from '../../../bus/index.ts'
import { writeState, type CallState, type StoredState } from '../../../calls/index.ts'

const WRITE_AFTER_MS = 25

export class OpeningState {
  private readonly bus: Bus
  private readonly state: CallState
  private readonly timer: NodeJS.Timeout
  private writing: Promise<number> | undefined

  constructor(bus: Bus, state: CallState) {
    this.bus = bus
    this.state = state
    this.timer = setTimeout(() => (this.writing = this.write()), WRITE_AFTER_MS)
  }

  /** Ends the writing. @returns over what the next state is to be written. */
  async close(): Promise<StoredState> {
    clearTimeout(this.timer)
    return { state: this.state, revision: (await this.writing) ?? 0 }
  }

  private async write(): Promise<number> {
    try {
      return await writeState(this.bus, this.state, 0)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      // Cancelled, or the bus is away: found out when the end is written.
      return 0
    }
  }
}
