/**
 * The calls that this process runs: one place for progress reports, cancellation and shutdown.
 *
 * Invariant: a call runs only once here. If it is delivered again (its progress report was lost with a connection), the
 * new delivery replaces the old one and nothing else happens.
 */
import { callIdOfSubject, subjectsOf, type Bus, type Delivery } from '../../../bus/index.ts'
import { isFinal, readState } from '../../../calls/index.ts'
import type { CallError } from '../../../contract/index.ts'

/** A call that was handed to this process, by the queue or by a trigger. */
export interface CallDelivery extends Delivery {
  /** It may have a state even at its first delivery. Default: whether it was redriven. */
  readonly mayBeKnown?: boolean
  /** Why it cannot run, if that is already known. */
  readonly refusal?: CallError | undefined
}

/** Why a call ends early: it was cancelled, or this process ends. */
export type AbortCause = 'cancelled' | 'interrupted'

/** How long a cancellation may arrive before its call. */
const CANCELLED_MS = 10_000

export class RunningCall {
  readonly callId: string
  delivery: CallDelivery
  /** Time of the last progress report. */
  seenAt = performance.now()
  readonly #controller = new AbortController()

  constructor(callId: string, delivery: CallDelivery) {
    this.callId = callId
    this.delivery = delivery
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get abortCause(): AbortCause | undefined {
    return this.signal.reason as AbortCause | undefined
  }

  abort(cause: AbortCause): void {
    this.#controller.abort(cause)
  }
}

export class RunningCalls {
  readonly #calls = new Map<string, RunningCall>()
  readonly #beatMs: number
  readonly #beat: NodeJS.Timeout
  readonly #cancelled = new Set<string>()
  readonly #idle = new Set<() => void>()

  /** @param ackWaitMs progress is reported three times within it. */
  constructor(ackWaitMs: number) {
    this.#beatMs = ackWaitMs / 3
    this.#beat = setInterval(() => this.#giveSigns(), this.#beatMs / 2)
  }

  get count(): number {
    return this.#calls.size
  }

  /** Undefined if the call is already running here. One that was just cancelled starts as cancelled. */
  take(delivery: CallDelivery): RunningCall | undefined {
    const callId = callIdOfSubject(delivery.subject)
    const known = this.#calls.get(callId)
    if (known !== undefined) {
      known.delivery = delivery
      return undefined
    }
    const call = new RunningCall(callId, delivery)
    if (this.#cancelled.has(callId)) call.abort('cancelled')
    this.#calls.set(callId, call)
    return call
  }

  release(call: RunningCall): void {
    this.#calls.delete(call.callId)
    if (this.#calls.size > 0) return
    for (const resolve of this.#idle) resolve()
    this.#idle.clear()
  }

  /** Listens for cancellations until the bus is closed. */
  listen(bus: Bus): void {
    bus.listen(subjectsOf('cancel'), ({ subject }) => this.#cancel(callIdOfSubject(subject)))
    bus.onReconnect(() => void this.#catchUp(bus))
  }

  #cancel(callId: string): void {
    const call = this.#calls.get(callId)
    if (call !== undefined) return call.abort('cancelled')
    // It may be on its way to us, since before its message was removed from the queue.
    this.#cancelled.add(callId)
    setTimeout(() => this.#cancelled.delete(callId), CANCELLED_MS).unref()
  }

  abortAll(cause: AbortCause): void {
    for (const call of this.#calls.values()) call.abort(cause)
  }

  /** Resolves to whether all ended within `timeoutMs`. */
  async waitForAll(timeoutMs: number): Promise<boolean> {
    if (this.#calls.size === 0) return true
    let timer: NodeJS.Timeout | undefined
    const isOver = await new Promise<boolean>(resolve => {
      this.#idle.add(() => resolve(true))
      timer = setTimeout(() => resolve(false), timeoutMs)
    })
    clearTimeout(timer)
    return isOver
  }

  close(): void {
    clearInterval(this.#beat)
  }

  #giveSigns(): void {
    const now = performance.now()
    for (const call of this.#calls.values()) {
      if (now - call.seenAt < this.#beatMs / 2) continue
      call.seenAt = now
      call.delivery.working()
    }
  }

  /** Cancellations were missed while there was no connection. */
  async #catchUp(bus: Bus): Promise<void> {
    for (const call of [...this.#calls.values()]) {
      // If unknown now, it shows when the call's end is written.
      const stored = await readState(bus, call.callId).catch(() => undefined)
      if (stored !== undefined && isFinal(stored.state.status)) call.abort('cancelled')
    }
  }
}
