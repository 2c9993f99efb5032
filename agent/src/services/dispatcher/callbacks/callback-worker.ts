/**
 * Delivers results from their queue.
 *
 * Invariants: 1. A result is delivered at least once, or its attempts are used up; a crash between the receiver's
 * answer and our record of it delivers it twice. 2. A slow or dead receiver holds at most `concurrencyPerReceiver`
 * slots: what else is for it returns to the queue, for longer each time, without counting as an attempt.
 */
import { formatTraceParent, parseTraceContext, type Tracing } from '@ryo-faas/runtime/telemetry'
import { BusError, durableConsumer, Puller, STREAMS, subjectsOf, type Bus, type Delivery } from '../../../bus/index.ts'
import { isFinal, LONGEST_WAIT_MS, readState, writeState, type CallState, type Resolve } from '../../../calls/index.ts'
import { backoffMs } from '../../../host/index.ts'
import type { OnEvent } from '../events.ts'
import type { CallbackOptions } from '../options.ts'
import { RunningCalls, type RunningCall } from '../runner/running-calls.ts'
import { readCallback, webhookIdOf, type Callback } from './callback-message.ts'
import { recordCallback } from './callback-span.ts'
import { CallbackSender, type CallbackOutcome } from './callback-sender.ts'

export interface CallbackWorkerOptions {
  callback: CallbackOptions
  ackWaitMs: number
  tracing: Tracing
  onEvent: OnEvent
  onOutcome: (outcome: 'delivered' | 'failed' | 'retried') => void
  resolve?: Resolve | undefined
}

type CallbackNote = NonNullable<CallState['callback']>

const PUT_BACK_MS = 1_000
/** Delay before what was interrupted is redelivered. */
const GIVE_BACK_MS = 2_000
/** Delays for a busy receiver. */
const DEFERRAL = { firstMs: 200, mostMs: 30_000 }

export class CallbackWorker {
  readonly #bus: Bus
  readonly #options: CallbackWorkerOptions
  readonly #running: RunningCalls
  readonly #sender: CallbackSender
  readonly #puller: Puller
  readonly #receivers = new Map<string, number>()

  constructor(bus: Bus, options: CallbackWorkerOptions) {
    this.#bus = bus
    this.#options = options
    this.#running = new RunningCalls(options.ackWaitMs)
    this.#sender = new CallbackSender({ ...options.callback, resolve: options.resolve })
    const { concurrency } = options.callback
    this.#puller = new Puller(bus, {
      stream: STREAMS.callbacks,
      ensure: durableConsumer(STREAMS.callbacks, {
        name: 'callbacks',
        filter: subjectsOf('callback'),
        ackWaitMs: options.ackWaitMs,
      }),
      slots: () => ({ free: concurrency - this.#running.count, all: concurrency }),
      onDelivery: delivery => void this.#deliver(delivery),
      onRefused: reason => options.onEvent({ type: 'bus-refused', what: 'callbacks', reason }),
    })
  }

  start(): void {
    this.#puller.start()
  }

  /** Finishes what is in flight for at most `drainMs`; the rest is given back. */
  async close(drainMs: number): Promise<void> {
    await this.#puller.stop()
    if (!(await this.#running.waitForAll(drainMs))) {
      this.#running.abortAll('interrupted')
      await this.#running.waitForAll(GIVE_BACK_MS)
    }
    this.#running.close()
    await this.#sender.close()
  }

  async #deliver(delivery: Delivery): Promise<void> {
    const call = this.#running.take(delivery)
    if (call === undefined) return
    try {
      await this.#work(call)
    } catch (error) {
      this.#options.onEvent({ type: 'call-put-back', callId: call.callId, reason: (error as Error).message })
      call.delivery.nak(PUT_BACK_MS)
    } finally {
      this.#running.release(call)
      this.#puller.wake()
    }
  }

  async #work(call: RunningCall): Promise<void> {
    let callback: Callback
    try {
      callback = await readCallback(this.#bus, call.delivery)
    } catch (error) {
      if (error instanceof BusError && error.code !== 'REFUSED') throw error
      return this.#fail(call, { id: undefined, attempts: undefined, reason: (error as Error).message })
    }
    const state = (await readState(this.#bus, call.callId))?.state
    if (state !== undefined) {
      const isRedriven = callback.webhookId !== webhookIdOf(state)
      // It was queued when the call was final: this state is older, or there will be a new result.
      if (!isRedriven && !isFinal(state.status)) throw new BusError('UNAVAILABLE', 'the call is said not to be over')
      if (isRedriven || state.callback?.state !== 'pending') return call.delivery.ack()
    }
    const receiver = receiverOf(callback.url)
    const inFlight = this.#receivers.get(receiver) ?? 0
    if (inFlight >= this.#options.callback.concurrencyPerReceiver) {
      return call.delivery.nak(backoffMs(DEFERRAL, call.delivery.count, Math.random()))
    }
    this.#receivers.set(receiver, inFlight + 1)
    let outcome: CallbackOutcome
    try {
      outcome = await this.#send(callback, call)
    } finally {
      const left = this.#receivers.get(receiver)! - 1
      if (left === 0) this.#receivers.delete(receiver)
      else this.#receivers.set(receiver, left)
    }
    if (outcome.kind !== 'delivered' && call.signal.aborted) return call.delivery.nak()
    // Without a history, use the server's count.
    const attempts = (state?.callback?.attempts ?? call.delivery.count - 1) + 1
    await this.#conclude(call, outcome, { id: callback.webhookId, attempts })
  }

  async #send(callback: Callback, { callId, signal }: RunningCall): Promise<CallbackOutcome> {
    const { tracing } = this.#options
    const parent = parseTraceContext(callback.traceparent, callback.tracestate)
    const trace = tracing.begin(parent)
    const startedAt = performance.now()
    const sent = { ...callback, traceparent: formatTraceParent(trace), tracestate: trace.traceState }
    const outcome = await this.#sender.send(sent, signal)
    recordCallback(tracing, { trace, parent, callId, callback, outcome, startedAt })
    return outcome
  }

  async #conclude(call: RunningCall, outcome: CallbackOutcome, sent: Sent & { attempts: number }): Promise<void> {
    const { callback: options, onOutcome } = this.#options
    const { attempts } = sent
    switch (outcome.kind) {
      case 'delivered':
        await this.#note(call.callId, 'delivered', sent)
        onOutcome('delivered')
        return call.delivery.ack()
      case 'refused':
        return this.#fail(call, { ...sent, reason: outcome.reason })
      case 'retry': {
        if (attempts >= options.attempts) return this.#fail(call, { ...sent, reason: outcome.reason })
        await this.#note(call.callId, 'pending', sent)
        onOutcome('retried')
        const wait = { firstMs: options.backoffMs, mostMs: LONGEST_WAIT_MS }
        return call.delivery.nak(Math.max(outcome.retryAfterMs, backoffMs(wait, attempts, Math.random())))
      }
    }
  }

  async #fail(call: RunningCall, failed: Sent & { reason: string }): Promise<void> {
    await this.#note(call.callId, 'failed', failed)
    this.#options.onOutcome('failed')
    this.#options.onEvent({ type: 'callback-failed', callId: call.callId, reason: failed.reason })
    call.delivery.ack()
  }

  /** Recorded in the state of the call, if there is one and it has not been redriven since. */
  async #note(callId: string, outcome: CallbackNote['state'], { id, attempts }: Sent): Promise<void> {
    for (;;) {
      const stored = await readState(this.#bus, callId)
      if (stored?.state.callback === undefined || !awaits(stored.state, id)) return
      const { callback } = stored.state
      const next = { ...callback, state: outcome, attempts: attempts ?? callback.attempts }
      try {
        await writeState(this.#bus, { ...stored.state, callback: next }, stored.revision)
        return
      } catch (error) {
        if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
      }
    }
  }
}

/** Which result was sent and how often; undefined if its message could not be read. */
interface Sent {
  id: string | undefined
  attempts: number | undefined
}

/** Whether this is the result still to be delivered. */
function awaits(state: CallState, webhookId: string | undefined): boolean {
  const isCurrent = webhookId === undefined || webhookId === webhookIdOf(state)
  return isFinal(state.status) && state.callback?.state === 'pending' && isCurrent
}

function receiverOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : ''
}
