/**
 * Counts what a client sends that costs us more than it costs the client, so that a flood of it ends the connection.
 * What is counted passes with time, and with what a client of good will does in between.
 */
import { CODE, ConnectionError } from './frames.ts'

/** Streams that may be reset in a burst, and then each second (CVE-2023-44487). */
const RESETS = { burst: 200, perSecond: 50 }
/** Frames that ask for nothing (CVE-2019-9512, -9515, -9518): SETTINGS, PING, PRIORITY, empty DATA, unknown ones. */
const IDLE_FRAMES = { burst: 2_000, perSecond: 200 }
/** A client may say of each DATA frame that it was read, in the stream and in all, and hesitate over as many. */
const WINDOW_UPDATES = { burst: 10_000, perSecond: 1_000, perDataFrame: 4 }

export class FloodGuard {
  readonly #resets = new Allowance(RESETS)
  readonly #idleFrames = new Allowance(IDLE_FRAMES)
  readonly #windowUpdates = new Allowance(WINDOW_UPDATES)
  #dataFrames = 0

  /** A stream ended before it was answered, because of the client. @throws ConnectionError enhanceYourCalm */
  reset(): void {
    this.#resets.spend()
  }

  /** @throws ConnectionError enhanceYourCalm */
  idleFrame(): void {
    this.#idleFrames.spend()
  }

  /**
   * @param dataFrames that were sent to the client so far
   * @throws ConnectionError enhanceYourCalm
   */
  windowUpdate(dataFrames: number): void {
    // Without a bound: a client may say late, and all at once, what it has read.
    this.#windowUpdates.earn((dataFrames - this.#dataFrames) * WINDOW_UPDATES.perDataFrame)
    this.#dataFrames = dataFrames
    this.#windowUpdates.spend()
  }

  /** A request that is taken: what belongs to it (priorities, for example) is no flood. */
  request(): void {
    this.#idleFrames.earn(2, IDLE_FRAMES.burst)
  }
}

class Allowance {
  readonly #burst: number
  readonly #perSecond: number
  #left: number
  #at = performance.now()

  constructor({ burst, perSecond }: { burst: number; perSecond: number }) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#left = burst
  }

  earn(count: number, most = Infinity): void {
    this.#left = Math.min(this.#left + count, Math.max(this.#left, most))
  }

  spend(): void {
    this.#left -= 1
    if (this.#left > 0) return
    const now = performance.now()
    this.#left += Math.min(this.#burst, ((now - this.#at) / 1000) * this.#perSecond)
    this.#at = now
    if (this.#left <= 0) throw new ConnectionError(CODE.enhanceYourCalm, 'a flood')
  }
}
