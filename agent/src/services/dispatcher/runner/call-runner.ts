/**
 * Handles a delivered call: starts an attempt, runs it, records how it ended.
 *
 * Invariants: 1. The function is started only when the attempt is on disk, if only in the server's count of deliveries,
 * so a call that kills its dispatcher is not retried forever. 2. A call that is known to be final is not run, only
 * wrapped up (a first delivery is not looked up; if the server forgot earlier ones, it runs again). 3. The order at the
 * end is: final state, what follows from it (`wrapUp`), acknowledgement; after a crash in between, the next delivery
 * continues there. 4. Writing a result is retried until it succeeds or this process must end.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { formatTraceParent, isSampled, parseTraceContext, type Tracing } from '@ryo-faas/runtime/telemetry'
import type { CallError } from '../../../contract/index.ts'
import { BusError, REDRIVEN_HEADER, type Bus } from '../../../bus/index.ts'
import {
  beforeFirstState,
  beginAttempt,
  deadByInterruptions,
  earlyMs,
  endAttempt,
  failUnrun,
  INLINE_RESULT_BYTES,
  isFinal,
  judge,
  platformCodeOf,
  putBody,
  queuedState,
  readState,
  removeBody,
  withBrokenOff,
  writeState,
  type AttemptEnd,
  type CallHead,
  type CallResult,
  type CallState,
  type Ended,
  type EndedAttempt,
  type StoredState,
  type Verdict,
} from '../../../calls/index.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherOptions } from '../options.ts'
import { recordAttempt } from './attempt-span.ts'
import type { CallOwner } from './call-owner.ts'
import { readRequest, UnrunnableError, type CallRequest } from './call-request.ts'
import type { FunctionCaller } from './function-caller.ts'
import { OpeningState } from './opening-state.ts'
import type { CallDelivery, RunningCall, RunningCalls } from './running-calls.ts'
import { wrapUp } from './wrap-up.ts'

export interface CallRunnerOptions {
  bus: Bus
  caller: FunctionCaller
  running: RunningCalls
  tracing: Tracing
  limits: Pick<DispatcherOptions, 'unavailableMs' | 'resultLimitBytes' | 'interruptionLimit'>
  onEvent: OnEvent
}

const WRITE_RETRY_MS = 200
const PUT_BACK_MS = 1_000

export class CallRunner {
  readonly #bus: Bus
  readonly #caller: FunctionCaller
  readonly #running: RunningCalls
  readonly #tracing: Tracing
  readonly #limits: CallRunnerOptions['limits']
  readonly #onEvent: OnEvent

  constructor({ bus, caller, running, tracing, limits, onEvent }: CallRunnerOptions) {
    this.#bus = bus
    this.#caller = caller
    this.#running = running
    this.#tracing = tracing
    this.#limits = limits
    this.#onEvent = onEvent
  }

  /** Never throws; resolves when the call no longer needs this process. */
  async runCall(delivery: CallDelivery, owner: CallOwner): Promise<void> {
    const call = this.#running.take(delivery)
    if (call === undefined) return
    try {
      await this.#work(call, owner)
    } catch (error) {
      const { message } = error as Error
      this.#onEvent({ type: 'call-put-back', callId: call.callId, reason: message })
      call.delivery.nak(PUT_BACK_MS)
    } finally {
      this.#running.release(call)
    }
  }

  async #work(call: RunningCall, owner: CallOwner): Promise<void> {
    await this.#bus.endOfTurn()
    let request: CallRequest
    try {
      request = await readRequest(this.#bus, call)
    } catch (error) {
      if (!(error instanceof UnrunnableError)) throw error
      return this.#fail(call, owner, error)
    }
    const begun = await this.#openAttempt(call, request)
    switch (begun.kind) {
      case 'early':
        return call.delivery.nak(begun.delayMs)
      case 'died':
        owner.callDied(begun.state)
        return this.#conclude(call, owner, { state: begun.state, head: request.head })
      case 'final':
        return this.#conclude(call, owner, { state: begun.state, head: request.head })
      case 'running':
        return this.#attempt(call, owner, { ...request, ...begun })
    }
  }

  async #openAttempt(call: RunningCall, { head, isOver = false }: CallRequest): Promise<Begun> {
    const bus = this.#bus
    const { count, mayBeKnown = call.delivery.header(REDRIVEN_HEADER) !== undefined } = call.delivery
    if (count === 1 && !mayBeKnown && !isOver) {
      return {
        kind: 'running',
        opening: new OpeningState(bus, beginAttempt(queuedState(call.callId, head), Date.now())),
      }
    }
    let stored = await readState(bus, call.callId)
    for (;;) {
      if (stored !== undefined && isFinal(stored.state.status)) return { kind: 'final', ...stored }
      const now = Date.now()
      const delayMs = stored === undefined ? 0 : earlyMs(stored.state, now)
      // The server forgets delays when it restarts.
      if (delayMs > 0) return { kind: 'early', delayMs }
      const before = stored?.state ?? beforeFirstState(queuedState(call.callId, head), mayBeKnown ? 1 : count)
      const dead = deadByInterruptions(before, this.#limits.interruptionLimit, now)
      const state = dead ?? beginAttempt(before, now)
      try {
        const revision = await writeState(bus, state, stored?.revision ?? 0)
        return dead === undefined
          ? { kind: 'running', written: { state, revision } }
          : { kind: 'died', state, revision }
      } catch (error) {
        if (!isConflict(error)) throw error
        stored = await readState(bus, call.callId)
      }
    }
  }

  async #attempt(call: RunningCall, owner: CallOwner, { head, body, ...begun }: CallRequest & Running): Promise<void> {
    const number = begun.opening === undefined ? begun.written.state.attempts.at(-1)!.number : 1
    const startedAt = performance.now()
    const { callId, signal } = call
    const trace = this.#tracing.begin(parseTraceContext(head.traceparent, head.tracestate))
    const end = await this.#caller.call({ fn: owner.fn, callId, number, head, body, signal, trace })
    recordAttempt(this.#tracing, { fn: owner.fn, callId, number, head, end, trace, startedAt })
    const begunWith = begun.opening === undefined ? begun.written : await begun.opening.close()
    if (end.kind === 'aborted') return this.#aborted(call, owner, { head, begun: begunWith.state })
    const now = Date.now()
    const verdict = judge(end, now)
    const pauseMs = owner.attemptEnded(verdict, end, performance.now() - startedAt)
    const traceparent = isSampled(trace) ? formatTraceParent(trace) : undefined
    const ended = { ...(await this.#endedAttempt(call, { number, end, verdict })), traceparent }
    const { unavailableMs } = this.#limits
    const rules = { policy: owner.fn.async, unavailableMs, pauseMs, now, random: Math.random() }
    await this.#bus.endOfTurn()
    const written = await this.#settle(call, begunWith, state => endAttempt(state, ended, rules))
    if (written.kind === 'overtaken' && ended.result?.bodyRef !== undefined) {
      await removeBody(this.#bus, ended.result.bodyRef)
    }
    if (written.kind === 'written' && written.state.status === 'dead') owner.callDied(written.state)
    if (isFinal(written.state.status)) return this.#conclude(call, owner, { state: written.state, head })
    if (verdict.kind === 'retry') owner.callRetried()
    // Without a delay, another dispatcher has taken over the call.
    if (written.kind === 'written' && written.delayMs !== undefined) call.delivery.nak(written.delayMs)
  }

  async #aborted(
    call: RunningCall,
    owner: CallOwner,
    { head, begun }: { head: CallHead; begun: CallState },
  ): Promise<void> {
    if (call.abortCause === 'cancelled') {
      const stored = await readState(this.#bus, call.callId)
      if (stored && isFinal(stored.state.status)) {
        const state = withBrokenOff(stored.state, begun)
        // The cancellation came before the attempt was known. Losing this does no harm.
        if (state !== stored.state) await writeState(this.#bus, state, stored.revision).catch(() => undefined)
        return this.#conclude(call, owner, { state, head })
      }
    }
    // The next dispatcher that gets it finds an attempt that started and did not end.
    call.delivery.nak()
  }

  /** Stores a long result before the state that refers to it. */
  async #endedAttempt(
    call: RunningCall,
    { number, end, verdict }: { number: number; end: AttemptEnd; verdict: Verdict },
  ): Promise<EndedAttempt> {
    if (end.kind !== 'answer') {
      const code = verdict.kind === 'succeeded' ? '' : verdict.error.code
      return { number, outcome: code, verdict, result: undefined }
    }
    const { status, headers, body, bodyBytes } = end
    const outcome = platformCodeOf(end) ?? status
    const result: CallResult = { status, headers, bodyBytes }
    const { resultLimitBytes } = this.#limits
    if (body === undefined) {
      const remark = {
        code: 'RESULT_TOO_LARGE',
        message: `the function answered with ${bodyBytes} bytes; up to ${resultLimitBytes} are kept (--result-limit-mb)`,
      }
      return { number, outcome, verdict, result: { ...result, tooLarge: true }, remark }
    }
    if (body.length <= INLINE_RESULT_BYTES) {
      return { number, outcome, verdict, result: { ...result, body: body.toString('base64') } }
    }
    // Before a retry, only the last result matters, and it is rarely long.
    if (verdict.kind === 'unavailable' || verdict.kind === 'overloaded') return { number, outcome, verdict, result }
    const owner = { kind: 'result', callId: call.callId } as const
    const bodyRef = await this.#persistently(call, () => putBody(this.#bus, owner, body))
    return { number, outcome, verdict, result: { ...result, bodyRef } }
  }

  /** Writes the end of an attempt over the state it began with, or over its newer version. */
  async #settle(call: RunningCall, begun: StoredState, change: (state: CallState) => Ended): Promise<Settled> {
    const bus = this.#bus
    let { state, revision } = begun
    for (;;) {
      const { state: next, delayMs } = change(state)
      try {
        await this.#persistently(call, () => writeState(bus, next, revision))
        return { kind: 'written', state: next, ...(delayMs !== undefined && { delayMs }) }
      } catch (error) {
        if (!isConflict(error)) throw error
      }
      const stored = await this.#persistently(call, () => readState(bus, call.callId))
      if (stored !== undefined && isSame(stored.state, next)) {
        // The first try stored it; only the acknowledgement was lost.
        return { kind: 'written', state: next, ...(delayMs !== undefined && { delayMs }) }
      }
      if (stored !== undefined && isFinal(stored.state.status)) return { kind: 'overtaken', ...stored }
      // A full history forgets the oldest.
      ;({ state, revision } = stored ?? { state: begun.state, revision: 0 })
    }
  }

  async #fail(call: RunningCall, owner: CallOwner, { code, message }: UnrunnableError): Promise<void> {
    const stored = await readState(this.#bus, call.callId)
    const begun = stored ?? { state: queuedState(call.callId), revision: 0 }
    const error: CallError = { code, message }
    const { state } = isFinal(begun.state.status)
      ? begun
      : await this.#settle(call, begun, now => ({ state: failUnrun(now, error, Date.now()) }))
    await this.#conclude(call, owner, { state, head: undefined })
  }

  async #conclude(
    call: RunningCall,
    { fn }: CallOwner,
    { state, head }: { state: CallState; head: CallHead | undefined },
  ): Promise<void> {
    await wrapUp(this.#bus, { state, head, data: call.delivery.data, functionName: fn.displayName })
    call.delivery.ack()
  }

  /** Retries while the bus is down, until this process must end. */
  async #persistently<T>(call: RunningCall, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await attempt()
      } catch (error) {
        const isPassing = error instanceof BusError && (error.code === 'UNAVAILABLE' || error.code === 'FULL')
        if (!isPassing || call.abortCause === 'interrupted') throw error
        await delay(WRITE_RETRY_MS)
      }
    }
  }
}

type Running = { kind: 'running' } & ({ opening: OpeningState } | { opening?: never; written: StoredState })

type Begun =
  | Running
  | ({ kind: 'died' | 'final' } & StoredState)
  /** It must wait longer. */
  | { kind: 'early'; delayMs: number }

type Settled = { kind: 'written'; state: CallState; delayMs?: number } | { kind: 'overtaken'; state: CallState }

function isConflict(error: unknown): boolean {
  return error instanceof BusError && error.code === 'CONFLICT'
}

function isSame(a: CallState, b: CallState): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
