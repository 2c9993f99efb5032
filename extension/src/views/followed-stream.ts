/** A stream of change signals, listened to while somebody looks and not otherwise; many signals are one change. */
import { setTimeout as delay } from 'node:timers/promises'

const SETTLE_MS = 150
const RETRY_MS = 1000

export interface FollowedStreamOptions {
  /** Resolves when it is listened to: from then on nothing is missed. */
  open(url: string, signal: AbortSignal): Promise<AsyncIterable<unknown>>
  /** `undefined` if what was signalled is not known, e.g. after the stream broke off. */
  onChange(signals: unknown[] | undefined): void
}

export class FollowedStream {
  readonly #options: FollowedStreamOptions
  #following: { url: string; abort: AbortController } | undefined

  constructor(options: FollowedStreamOptions) {
    this.#options = options
  }

  /** Listens to this address from now on, or to nobody. */
  follow(url: string | undefined): void {
    if (this.#following?.url === url) return
    this.dispose()
    if (url === undefined) return
    const abort = new AbortController()
    this.#following = { url, abort }
    void this.#listen(url, abort.signal)
  }

  dispose(): void {
    this.#following?.abort.abort()
    this.#following = undefined
  }

  async #listen(url: string, signal: AbortSignal): Promise<void> {
    const { open, onChange } = this.#options
    let waiting: unknown[] = []
    let timer: NodeJS.Timeout | undefined
    const tell = (what: unknown) => {
      waiting.push(what)
      timer ??= setTimeout(() => {
        timer = undefined
        onChange(waiting)
        waiting = []
      }, SETTLE_MS)
    }
    while (!signal.aborted) {
      try {
        const stream = await open(url, signal)
        onChange(undefined)
        for await (const what of stream) tell(what)
      } catch {
        // The part was restarted, or is not up yet: tried again below.
        if (!signal.aborted) onChange(undefined)
      }
      await delay(RETRY_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
    clearTimeout(timer)
  }
}
