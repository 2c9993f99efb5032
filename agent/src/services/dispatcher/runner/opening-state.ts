/**
 * The state of a started attempt, written only if it takes long: most end sooner, and then the end is enough.
 *
 * Why that is safe: the server counts deliveries on disk. An attempt that killed its dispatcher before anything was
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

  /** Stops writing. @returns the version that the next state replaces. */
  async close(): Promise<StoredState> {
    clearTimeout(this.timer)
    return { state: this.state, revision: (await this.writing) ?? 0 }
  }

  private async write(): Promise<number> {
    try {
      return await writeState(this.bus, this.state, 0)
    } catch (error) {
      if (!(error instanceof BusError)) throw error
      // Cancelled, or the bus is down: noticed when the end is written.
      return 0
    }
  }
}
