/**
 * One trigger: its events read in order, run side by side but one after the other for each document, its place kept.
 *
 * Invariants: 1. the place moves past an event only when its call is final, so none is missed. 2. an event runs only
 * when the call of the document's event before it is final. 3. in memory are at most `WINDOW` events, and of those that
 * were long for a message only the ones that run. 4. after `stop` nothing is begun; what was not finished comes again.
 */
import type { CallError } from '../../../contract/index.ts'
import { BusError, type Bus } from '../../../bus/index.ts'
import type { CallRunner, RunFor } from '../runner/call-runner.ts'
import type { OnEvent } from '../events.ts'
import type { DispatcherMetrics } from '../metrics.ts'
import type { DispatchedFunction, DispatchedTrigger, DispatcherOptions } from '../options.ts'
import { Pace } from '../pacing/pace.ts'
import type { StreamDelivery } from '../pacing/puller.ts'
import type { Turn } from '../pacing/turn.ts'
import { Cursor, CursorLostError } from './cursor.ts'
import { EventDelivery, type KnownEvent } from './event-delivery.ts'
import { EventReader } from './event-reader.ts'
import { EventFilter } from './event-filter.ts'
import { readEvent, UnreadableEventError } from './event-source.ts'
import { Lanes } from './lanes.ts'
import { Progress } from './progress.ts'

export interface TriggerDependencies {
  bus: Bus
  runner: CallRunner
  turn: Turn
  metrics: DispatcherMetrics
  options: Pick<DispatcherOptions, 'unavailableBackoffMs' | 'storeUrl' | 'access' | 'eventDepthLimit'>
  onEvent: OnEvent
}

interface WaitingEvent {
  message: StreamDelivery
  /** Attempts of this process, the next one included. */
  count: number
}

const WINDOW = 1_024
const SAVE_MS = 200
const IDLE_SAVES = 50
const RETRY_MS = 1_000

export class TriggerWorker {
  private readonly of: TriggerDependencies
  private readonly pace: Pace
  private readonly filter: EventFilter
  private readonly timers = new Set<NodeJS.Timeout>()
  private readonly stopping = new AbortController()
  private fn: DispatchedFunction
  private readonly trigger: DispatchedTrigger
  private session: Session | undefined
  private running = 0

  constructor(fn: DispatchedFunction, trigger: DispatchedTrigger, of: TriggerDependencies) {
    this.fn = fn
    this.trigger = trigger
    this.filter = new EventFilter(trigger)
    this.of = of
    const { unavailableBackoffMs: backoffMs } = of.options
    this.pace = new Pace(fn.async.concurrency, { backoffMs, onResume: () => this.runWhatCan() })
  }

  start(): void {
    void this.open()
  }

  /** Events under way go on as they began. Another subscription needs another worker: see `isSame`. */
  update(fn: DispatchedFunction): void {
    this.fn = fn
    this.pace.all = fn.async.concurrency
    this.runWhatCan()
  }

  /** Whether the subscription is the one that this worker has. */
  isSame(trigger: DispatchedTrigger): boolean {
    return JSON.stringify(trigger) === JSON.stringify(this.trigger)
  }

  /** Takes no more events. Those that run go on; their place is saved by `close`. */
  async stop(): Promise<void> {
    this.stopping.abort()
    this.pace.stop()
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
    await this.session?.reader.stop()
  }

  /** After `stop`, and after what ran has ended or was given back. */
  async close(): Promise<void> {
    const { session } = this
    // One at a time: each place is written over the one before.
    await session?.saving
    if (session !== undefined && session === this.session) await this.save(session)
  }

  /** Events that are not finished; undefined if that cannot be known now. */
  async lag(): Promise<{ name: string; key: string; events: number } | undefined> {
    const pending = await this.session?.reader.pending().catch(() => undefined)
    if (this.session === undefined || pending === undefined) return undefined
    return { name: this.fn.displayName, key: this.trigger.key, events: pending + this.session.lanes.size }
  }

  private get isStopped(): boolean {
    return this.stopping.signal.aborted
  }

  private async open(): Promise<void> {
    const { bus, turn, onEvent } = this.of
    try {
      const cursor = await Cursor.open(bus, nameOf(this.fn, this.trigger), this.trigger.start)
      if (this.isStopped) return
      const lanes = new Lanes<WaitingEvent>()
      const progress = new Progress(cursor.sequence)
      const reader = new EventReader(bus, {
        after: cursor.sequence,
        filters: this.filter.subjects,
        turn,
        slots: () => ({ free: WINDOW - lanes.size, all: WINDOW }),
        onEvent: message => this.received(message),
        onRefused: reason => onEvent({ type: 'bus-refused', what: nameOf(this.fn, this.trigger), reason }),
      })
      const session = { cursor, reader, lanes, progress, savesSinceLook: 0, saving: undefined }
      this.session = session
      reader.start()
      this.later(SAVE_MS, () => void this.saveAgain(session))
    } catch (error) {
      if (!(error instanceof BusError)) onEvent({ type: 'trigger-failed', ...this.names, reason: messageOf(error) })
      this.later(RETRY_MS, () => void this.open())
    }
  }

  private received(message: StreamDelivery): void {
    const session = this.session!
    if (!this.filter.wants(message)) return
    session.progress.begin(message.sequence)
    session.lanes.add(documentOf(message), { message, count: 1 })
    this.runWhatCan()
  }

  private runWhatCan(): void {
    const { session } = this
    if (session === undefined) return
    while (!this.isStopped && this.pace.free(this.running) > 0) {
      const taken = session.lanes.take()
      if (taken === undefined) return
      void this.run(session, taken)
    }
  }

  private async run(session: Session, { key, item }: { key: string; item: WaitingEvent }): Promise<void> {
    const { runner } = this.of
    this.running += 1
    try {
      const known = await readEvent(item.message, this.of.options, this.stopping.signal)
      const to = { route: this.fn.route, key: this.trigger.key, epoch: session.cursor.epoch }
      const functionsKey = this.of.options.access.functions
      const of = { to, count: item.count, refusal: this.refusalOf(known), functionsKey }
      const delivery = new EventDelivery(known, of)
      await runner.run(delivery, this.runFor())
      const outcome = delivery.outcome
      if (outcome?.kind === 'done') this.finished(session, key, item)
      else this.again(session, { key, item, delayMs: outcome?.delayMs ?? RETRY_MS })
    } catch (error) {
      const reason = messageOf(error)
      if (!this.isStopped) this.of.onEvent({ type: 'trigger-failed', ...this.names, reason })
      // Nothing would make it readable, and the document's next change must not wait for that.
      if (error instanceof UnreadableEventError) this.finished(session, key, item)
      else this.again(session, { key, item, delayMs: RETRY_MS })
    } finally {
      this.running -= 1
      this.runWhatCan()
    }
  }

  private finished(session: Session, key: string, { message }: WaitingEvent): void {
    session.progress.end(message.sequence)
    session.lanes.finish(key)
    session.reader.wake()
  }

  private again(session: Session, { key, item, delayMs }: { key: string; item: WaitingEvent; delayMs: number }): void {
    this.later(delayMs, () => {
      item.count += 1
      session.lanes.putBack(key)
      this.runWhatCan()
    })
  }

  private refusalOf({ event }: KnownEvent): CallError | undefined {
    const { eventDepthLimit: limit } = this.of.options
    if (event.eventdepth <= limit) return undefined
    const { displayName } = this.fn
    const message =
      `${event.data.table}/${event.data.id} was written at the end of a chain of ${event.eventdepth} document events, ` +
      `each caused by the one before: ${displayName} seems to set itself off again. It is not run for this event.`
    this.of.metrics.errors.inc({ faas_name: displayName, faas_trigger: 'datasource', error_code: 'EVENT_LOOP' })
    this.of.onEvent({ type: 'trigger-failed', ...this.names, reason: message })
    return { code: 'EVENT_LOOP', message }
  }

  private runFor(): RunFor {
    const { fn } = this
    const { metrics, onEvent } = this.of
    return {
      fn,
      attemptEnded: (verdict, end, durationMs) => {
        metrics.attempt(fn.displayName, 'datasource', { verdict, end, durationMs })
        return this.pace.attemptEnded(verdict, this.running)
      },
      callRetried: () => metrics.retries.inc({ faas_name: fn.displayName }),
      callDied: ({ id: callId, error }) => {
        metrics.dead.inc({ faas_name: fn.displayName })
        onEvent({ type: 'call-dead', callId, code: error?.code ?? '', message: error?.message ?? '' })
      },
    }
  }

  private async saveAgain(session: Session): Promise<void> {
    session.saving = this.save(session)
    await session.saving
    if (this.session === session) this.later(SAVE_MS, () => void this.saveAgain(session))
  }

  private async save(session: Session): Promise<void> {
    if (!this.of.bus.isConnected) return
    try {
      await this.lookAhead(session)
      await session.cursor.moveTo(session.progress.done)
    } catch (error) {
      if (this.isStopped || !(error instanceof CursorLostError)) return // The bus: the next time will do, the place only lies further back.
      this.of.onEvent({ type: 'trigger-failed', ...this.names, reason: messageOf(error) })
      await this.giveUp(session)
    }
  }

  private async lookAhead(session: Session): Promise<void> {
    session.savesSinceLook += 1
    if (session.savesSinceLook < IDLE_SAVES || session.progress.openCount > 0 || this.isStopped) return
    session.savesSinceLook = 0
    const seen = await session.reader.seenUpTo()
    session.progress.skipTo(seen)
  }

  /** Another has the trigger. If it is gone again later, this one goes on from where that left it. */
  private async giveUp(session: Session): Promise<void> {
    this.session = undefined
    await session.reader.stop()
    this.later(RETRY_MS * 10, () => void this.open())
  }

  private get names(): { functionName: string; handler: string } {
    return { functionName: this.fn.displayName, handler: this.trigger.key }
  }

  private later(delayMs: number, run: () => void): void {
    if (this.isStopped) return
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, delayMs)
    this.timers.add(timer)
  }
}

interface Session {
  cursor: Cursor
  reader: EventReader
  lanes: Lanes<WaitingEvent>
  progress: Progress
  savesSinceLook: number
  /** The last save, as long as it lasts and after. */
  saving: Promise<void> | undefined
}

export function nameOf({ route }: { route: string }, { key }: { key: string }): string {
  return `${route}.${key}`
}

/** Table and id, as they stand in the subject behind the kind. */
function documentOf({ subject }: StreamDelivery): string {
  return subject.split('.').slice(3).join('.')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
