/**
 * One trigger of any kind: runs what its source offers, lanes in parallel and each in order, and saves its position.
 *
 * Invariants: 1. The checkpoint moves past an occurrence only when its call is final, so none is missed. 2. An
 * occurrence runs only when the call of the one before it in its lane is final. 3. At most `WINDOW` occurrences are in
 * memory. 4. After `stop` nothing is started; what was not finished is offered again.
 */
import { BusError, type Bus } from '../../../bus/index.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherMetrics } from '../metrics.ts'
import type { DispatchedFunction, DispatchedTrigger, DispatcherOptions } from '../options.ts'
import { Pacing } from '../pacing/pacing.ts'
import { countingOwner } from '../runner/call-owner.ts'
import type { CallRunner } from '../runner/call-runner.ts'
import { KeptCheckpoint, TriggerLostError } from './checkpoint.ts'
import { Lanes } from './lanes.ts'
import { Progress } from './progress.ts'
import {
  UnreadableEventError,
  type Occurrence,
  type RunningSource,
  type TriggerEvent,
  type TriggerSource,
} from './source.ts'
import { TriggeredCall } from './triggered-call.ts'

export interface TriggerWorkerOptions {
  bus: Bus
  runner: CallRunner
  metrics: DispatcherMetrics
  options: Pick<DispatcherOptions, 'unavailableBackoffMs' | 'term'>
  onEvent: OnEvent
}

/** A deployed trigger, with the source of its events. */
export interface KnownTrigger {
  /** Names its checkpoint; see `triggerName`. */
  name: string
  trigger: DispatchedTrigger
  source: TriggerSource
  spec: unknown
  secrets: Readonly<Record<string, string>>
}

interface WaitingOccurrence {
  occurrence: Occurrence
  /** Attempts of this process, including the next one. */
  count: number
}

/** From one opening of the checkpoint until the trigger is lost to another dispatcher. */
interface Session {
  checkpoint: KeptCheckpoint
  lanes: Lanes<WaitingOccurrence>
  progress: Progress
  running: RunningSource
  /** The last save, running or done. */
  saving: Promise<void> | undefined
  /** Cancels the wait for the next save. */
  stopWaiting: () => void
  isIdle: boolean
}

const WINDOW = 1_024
const SAVE_MS = 200
/** While nothing happens: there may be thousands of triggers. */
const IDLE_SAVE_MS = 10_000
const RETRY_MS = 1_000

export class TriggerWorker {
  readonly #options: TriggerWorkerOptions
  readonly #known: KnownTrigger
  readonly #pacing: Pacing
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #stopping = new AbortController()
  /** Resolves once it has begun to wait for events, or is stopped. */
  readonly opened: Promise<void>
  #hasOpened: () => void = () => undefined
  #fn: DispatchedFunction
  #session: Session | undefined
  #running = 0

  constructor(fn: DispatchedFunction, known: KnownTrigger, options: TriggerWorkerOptions) {
    this.#fn = fn
    this.#known = known
    this.#options = options
    const { unavailableBackoffMs: backoffMs } = options.options
    this.opened = new Promise(resolve => (this.#hasOpened = resolve))
    this.#pacing = new Pacing(fn.async.concurrency, { backoffMs, onResume: () => this.#runWhatCan() })
  }

  start(): void {
    void this.#open()
  }

  /** Events in flight are not affected. Another subscription needs another worker: see `isSame`. */
  update(fn: DispatchedFunction): void {
    this.#fn = fn
    this.#pacing.share = fn.async.concurrency
    this.#runWhatCan()
  }

  /** Whether this worker already has this subscription. */
  isSame({ trigger, secrets }: KnownTrigger): boolean {
    return JSON.stringify([trigger, secrets]) === JSON.stringify([this.#known.trigger, this.#known.secrets])
  }

  /** Accepts no more events. Running ones continue; `close` saves their position. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#hasOpened()
    this.#pacing.stop()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await this.#session?.running.stop()
  }

  /** Call after `stop`, when running events have ended or were given back. */
  async close(): Promise<void> {
    const session = this.#session
    // One at a time: each checkpoint is written over the one before.
    await session?.saving
    if (session !== undefined && session === this.#session) await this.#save(session)
  }

  /** Events that are not finished; undefined if currently unknown. */
  async lag(): Promise<{ name: string; key: string; events: number } | undefined> {
    const pending = await this.#session?.running.pending().catch(() => undefined)
    if (this.#session === undefined || pending === undefined) return undefined
    return { name: this.#fn.displayName, key: this.#known.trigger.key, events: pending + this.#session.lanes.size }
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #open(): Promise<void> {
    const { name, trigger, source, spec, secrets } = this.#known
    const { bus, onEvent } = this.#options
    const { epoch, from } = trigger.start
    const subscription = { spec, from, functionName: this.#fn.displayName, secrets }
    try {
      const { term } = this.#options.options
      const begin = () => source.begin(subscription)
      const checkpoint = await KeptCheckpoint.open(bus, name, { epoch, term, begin })
      if (this.#isStopped) return
      const lanes = new Lanes<WaitingOccurrence>()
      const progress = new Progress(checkpoint.current.sequence)
      const running = source.start(subscription, checkpoint.current, {
        slots: () => ({ free: WINDOW - lanes.size, all: WINDOW }),
        offer: occurrence => {
          progress.opened(occurrence.sequence)
          lanes.add(occurrence.lane, { occurrence, count: 1 })
          if (this.#session?.isIdle) this.#saveIn(SAVE_MS, this.#session)
          this.#runWhatCan()
        },
        refused: reason => onEvent({ type: 'bus-refused', what: name, reason }),
      })
      const waiting = { saving: undefined, stopWaiting: () => undefined, isIdle: false }
      const session: Session = { checkpoint, lanes, progress, running, ...waiting }
      this.#session = session
      this.#hasOpened()
      this.#runWhatCan()
      this.#saveIn(SAVE_MS, session)
    } catch (error) {
      if (!(error instanceof BusError)) this.#failed(messageOf(error))
      const isLost = error instanceof TriggerLostError
      if (isLost) this.#hasOpened()
      this.#later(isLost ? RETRY_MS * 10 : RETRY_MS, () => void this.#open())
    }
  }

  #runWhatCan(): void {
    const session = this.#session
    if (session === undefined) return
    while (!this.#isStopped && this.#pacing.free(this.#running) > 0) {
      const taken = session.lanes.take()
      if (taken === undefined) return
      void this.#runOccurrence(session, taken)
    }
  }

  async #runOccurrence(session: Session, { key: lane, item }: { key: string; item: WaitingOccurrence }): Promise<void> {
    const { occurrence, count } = item
    this.#running += 1
    try {
      const event = await occurrence.event(this.#stopping.signal)
      if (event.refusal !== undefined) this.#refused(event.refusal)
      const outcome = await this.#runEvent(event, { epoch: session.checkpoint.current.epoch, count })
      if (outcome?.kind === 'done') this.#finished(session, lane, occurrence)
      else this.#runLater(session, { lane, item, delayMs: outcome?.delayMs ?? RETRY_MS })
    } catch (error) {
      if (!this.#isStopped) this.#failed(messageOf(error))
      // It will never be readable, and must not block its lane.
      if (error instanceof UnreadableEventError) this.#finished(session, lane, occurrence)
      else this.#runLater(session, { lane, item, delayMs: RETRY_MS })
    } finally {
      this.#running -= 1
      this.#runWhatCan()
    }
  }

  async #runEvent(event: TriggerEvent, { epoch, count }: { epoch: number; count: number }) {
    const { metrics, onEvent, runner } = this.#options
    const { name, trigger, source } = this.#known
    const { faasTrigger } = source
    const { key } = trigger
    const call = new TriggeredCall(event, { route: this.#fn.route, key, name, epoch, faasTrigger, count })
    const waitAfter = (verdict: Parameters<Pacing['attemptEnded']>[0]) =>
      this.#pacing.attemptEnded(verdict, this.#running)
    await runner.runCall(call, countingOwner({ fn: this.#fn, trigger: faasTrigger, metrics, onEvent, waitAfter }))
    return call.outcome
  }

  #finished(session: Session, lane: string, occurrence: Occurrence): void {
    occurrence.ended?.()
    session.progress.ended(occurrence.sequence)
    session.lanes.finish(lane)
    session.running.wake()
  }

  #runLater(
    session: Session,
    { lane, item, delayMs }: { lane: string; item: WaitingOccurrence; delayMs: number },
  ): void {
    this.#later(delayMs, () => {
      item.count += 1
      session.lanes.putBack(lane)
      this.#runWhatCan()
    })
  }

  #refused({ code, message }: NonNullable<TriggerEvent['refusal']>): void {
    const labels = { faas_name: this.#fn.displayName, faas_trigger: this.#known.source.faasTrigger }
    this.#options.metrics.errors.inc({ ...labels, error_code: code })
    this.#failed(message)
  }

  #saveIn(delayMs: number, session: Session): void {
    session.stopWaiting()
    session.isIdle = delayMs === IDLE_SAVE_MS
    session.stopWaiting = this.#later(delayMs, async () => {
      const wasIdle = session.isIdle
      // One save at a time: what is offered from here on does not start another.
      session.isIdle = false
      session.saving = this.#save(session, wasIdle)
      await session.saving
      if (this.#session !== session) return
      const { checkpoint, progress } = session
      const isAtRest = progress.openCount === 0 && checkpoint.current.sequence >= progress.done
      this.#saveIn(isAtRest ? IDLE_SAVE_MS : SAVE_MS, session)
    })
  }

  async #save(session: Session, wasIdle = false): Promise<void> {
    if (!this.#options.bus.isConnected) return
    try {
      if (wasIdle) await this.#lookAhead(session)
      await session.checkpoint.moveTo(session.progress.done)
    } catch (error) {
      // The bus is down: the next save will do, the checkpoint is only further back.
      if (this.#isStopped || !(error instanceof TriggerLostError)) return
      this.#failed(messageOf(error))
      await this.#giveUp(session)
    }
  }

  async #lookAhead({ progress, running }: Session): Promise<void> {
    if (progress.openCount > 0 || this.#isStopped) return
    const seen = await running.seenUpTo?.()
    if (seen !== undefined) progress.skipTo(seen)
  }

  /** Another dispatcher has the trigger. If that is gone later, this one resumes from its position. */
  async #giveUp(session: Session): Promise<void> {
    this.#session = undefined
    await session.running.stop()
    this.#later(RETRY_MS * 10, () => void this.#open())
  }

  #failed(reason: string): void {
    const { displayName: functionName } = this.#fn
    this.#options.onEvent({ type: 'trigger-failed', functionName, handler: this.#known.trigger.key, reason })
  }

  /** @returns cancels it */
  #later(delayMs: number, run: () => unknown): () => void {
    if (this.#isStopped) return () => undefined
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, delayMs)
    this.#timers.add(timer)
    return () => {
      this.#timers.delete(timer)
      clearTimeout(timer)
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
