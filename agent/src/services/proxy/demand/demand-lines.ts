/**
 * Tells those who follow how much is asked of each function: the agent wakes, starts and freezes instances by it.
 *
 * Invariants: 1. A change costs its call a comparison while nobody follows or the function is due already, and no timer
 * runs while nothing changes. 2. A function is told of at most every `EVERY_MS`, but at once when its first call begins
 * to wait (once in the same time). 3. Who begins to follow is told of every function with calls. 4. A function that is
 * removed is told of once more, with nothing.
 */
import type { Demand } from '../control/proxy-control.ts'

const EVERY_MS = 50

export type DemandSink = (lines: Demand[]) => void

/** A function, or what several processes say of it. */
export interface Demanded {
  readonly name: string
  /** Calls at instances. */
  readonly inflight: number
  readonly waiting: number
  /** Calls that ever began. */
  readonly begun: number
  readonly mark: DemandMark
}

/** What `DemandLines` remembers of a function. */
export class DemandMark {
  state: 'told' | 'due' | 'over' = 'told'
  /** Calls that had begun at the last line. */
  begun = 0
  /** When it was last told of at once. */
  hurriedAt = -Infinity
}

export class DemandLines {
  private readonly all: () => Iterable<Demanded>
  private readonly sinks = new Set<DemandSink>()
  private due: Demanded[] = []
  private hurried: Demanded[] = []
  private timer: NodeJS.Timeout | undefined
  private isFollowed = false

  constructor(all: () => Iterable<Demanded>) {
    this.all = all
  }

  /** @returns what ends it */
  follow(sink: DemandSink): () => void {
    const lines: Demand[] = []
    for (const fn of this.all()) {
      if (!this.isFollowed) fn.mark.begun = fn.begun
      if (fn.inflight + fn.waiting > 0)
        lines.push({ name: fn.name, inflight: fn.inflight, waiting: fn.waiting, calls: 0 })
    }
    this.sinks.add(sink)
    this.isFollowed = true
    if (lines.length > 0) sink(lines)
    return () => {
      this.sinks.delete(sink)
      this.isFollowed = this.sinks.size > 0
    }
  }

  /** A call has begun, ended, or begun to wait, or no longer waits. */
  changed(fn: Demanded): void {
    if (!this.isFollowed || fn.mark.state !== 'told') return
    fn.mark.state = 'due'
    this.due.push(fn)
    this.timer ??= setTimeout(tellDue, EVERY_MS, this).unref()
  }

  /** Its first call waits, or there is still one after its instances have changed. */
  waits(fn: Demanded): void {
    this.changed(fn)
    const now = performance.now()
    if (!this.isFollowed || now - fn.mark.hurriedAt < EVERY_MS) return
    fn.mark.hurriedAt = now
    // The others that arrive in the same turn of the event loop are in the same line.
    if (this.hurried.length === 0) setImmediate(tellHurried, this)
    this.hurried.push(fn)
  }

  /** It is removed. */
  over(fn: Demanded): void {
    if (this.isFollowed) this.tell([{ name: fn.name, inflight: 0, waiting: 0, calls: fn.begun - fn.mark.begun }])
    fn.mark.state = 'over'
  }

  close(): void {
    this.sinks.clear()
    this.isFollowed = false
    clearTimeout(this.timer)
  }

  tellDue(): void {
    this.timer = undefined
    this.tell(linesOf(this.due.splice(0)))
  }

  tellHurried(): void {
    this.tell(linesOf(this.hurried.splice(0)))
  }

  private tell(lines: Demand[]): void {
    if (lines.length > 0) for (const sink of this.sinks) sink(lines)
  }
}

function linesOf(functions: readonly Demanded[]): Demand[] {
  return functions.flatMap(fn => {
    const { name, inflight, waiting, begun, mark } = fn
    if (mark.state !== 'due') return []
    const calls = begun - mark.begun
    mark.state = 'told'
    mark.begun = begun
    return [{ name, inflight, waiting, calls }]
  })
}

function tellDue(lines: DemandLines): void {
  lines.tellDue()
}

function tellHurried(lines: DemandLines): void {
  lines.tellHurried()
}
