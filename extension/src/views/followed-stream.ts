/** A stream of change signals, followed only while a view is visible; many signals are one change. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Door } from 'ryo-faas/client'

const SETTLE_MS = 150
const RETRY_MS = 1000

export interface FollowedStreamOptions {
  /** Resolves when it is connected: from then on nothing is missed. */
  open(door: Door, signal: AbortSignal): Promise<AsyncIterable<unknown>>
  /** `undefined` if signals may have been missed, e.g. after the stream broke off. */
  onChange(signals: unknown[] | undefined): void
}

export class FollowedStream {
  readonly #options: FollowedStreamOptions
  #following: { door: Door; abort: AbortController } | undefined

  constructor(options: FollowedStreamOptions) {
    this.#options = options
  }

  /** Follows this one from now on, or none. */
  follow(door: Door | undefined): void {
    const before = this.#following?.door
    if (before?.url === door?.url && before?.token === door?.token) return
    this.dispose()
    if (door === undefined) return
    const abort = new AbortController()
    this.#following = { door, abort }
    void this.#listen(door, abort.signal)
  }

  dispose(): void {
    this.#following?.abort.abort()
    this.#following = undefined
  }

  async #listen(door: Door, signal: AbortSignal): Promise<void> {
    const { open, onChange } = this.#options
    let waiting: unknown[] = []
    let timer: NodeJS.Timeout | undefined
    const collect = (signalled: unknown) => {
      waiting.push(signalled)
      timer ??= setTimeout(() => {
        timer = undefined
        onChange(waiting)
        waiting = []
      }, SETTLE_MS)
    }
    while (!signal.aborted) {
      try {
        const stream = await open(door, signal)
        onChange(undefined)
        for await (const signalled of stream) collect(signalled)
      } catch {
        // The part was restarted, or is not up yet: tried again in a moment.
        if (!signal.aborted) onChange(undefined)
      }
      await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    clearTimeout(timer)
  }
}
