/**
 * Lists of calls, newest first, in pages: first those waiting for their first attempt (from the queue), then those
 * that have a state (also those waiting for their next attempt), by the time of its last change.
 *
 * Invariants: 1. Work per page is bounded: at most `MOST_WINDOWS` stretches of a stream are looked at, so a page may
 * hold fewer calls than asked for, or none; only a page without a cursor is the last. 2. A call that changes between
 * two pages may appear on both.
 */
import type { CallPage, CallStatus, CallView } from '../contract/index.ts'
import {
  type Bus,
  callIdOfSubject,
  type MessageHead,
  nextMessage,
  scanHeads,
  type ScanRange,
  STREAMS,
  streamState,
  subjectsOf,
} from '../bus/index.ts'
import { isFinal } from './call-state.ts'
import { readState } from './call-states.ts'
import { queuedState, viewOf } from './call-view.ts'

export interface CallQuery {
  /** Route. */
  function?: string | undefined
  status?: CallStatus | undefined
  limit: number
  /** From an earlier page. */
  cursor?: string | undefined
}

const MOST_WINDOWS = 16
/** Sequences per look. Scanning the queue costs a request per call, the history nearly nothing. */
const WINDOW = { calls: 128, states: 1_024 } as const
/** A stretch with fewer calls than this share of its sequences makes the next one twice as wide. */
const SPARSE = 1 / 8
type Phase = keyof typeof WINDOW

const CURSOR = /^(calls|states):([1-9][0-9]{0,15})$/

export function isCursor(text: string): boolean {
  return CURSOR.test(text)
}

/** @throws BusError UNAVAILABLE */
export async function listCalls(bus: Bus, query: CallQuery): Promise<CallPage> {
  const [, phase, below] = CURSOR.exec(query.cursor ?? '') ?? []
  const phases: Phase[] = isFinalOrRuns(query.status) ? ['states'] : ['calls', 'states']
  const start = phase === undefined ? 0 : phases.indexOf(phase as Phase)
  const page = new Page(bus, query)
  for (const [i, name] of phases.slice(Math.max(0, start)).entries()) {
    const next = await page.fill(name, i === 0 && below !== undefined ? Number(below) : undefined)
    if (next !== undefined) return { calls: page.calls, cursor: `${name}:${next}` }
  }
  return { calls: page.calls }
}

class Page {
  readonly calls: CallView[] = []
  private readonly bus: Bus
  private readonly query: CallQuery
  private windows = 0

  constructor(bus: Bus, query: CallQuery) {
    this.bus = bus
    this.query = query
  }

  /** @returns the sequence below which the next page starts; undefined if nothing is left. */
  async fill(phase: Phase, below: number | undefined): Promise<number | undefined> {
    const { firstSequence: first, lastSequence: last } = await streamState(this.bus, STREAMS[phase])
    let to = Math.min(below ?? Infinity, last + 1)
    let width: number = WINDOW[phase]
    while (to > first) {
      if (this.windows >= MOST_WINDOWS || this.calls.length >= this.query.limit) return to
      const from = Math.max(first, to - width)
      const heads = await this.read(phase, from, to)
      this.windows += 1
      width = heads.length < width * SPARSE ? width * 2 : WINDOW[phase]
      to = (await this.take(phase, heads.reverse())) ?? from
    }
    return undefined
  }

  private async read(phase: Phase, from: number, to: number): Promise<MessageHead[]> {
    const route = this.query.function
    return phase === 'calls'
      ? walkHeads(this.bus, STREAMS.calls, { filter: subjectsOf('call', route), from, to })
      : scanHeads(this.bus, STREAMS.states, { filter: subjectsOf('state', route), from, to })
  }

  /** @returns where to continue if the page is full before the end of `heads`. */
  private async take(phase: Phase, all: MessageHead[]): Promise<number | undefined> {
    const { status } = this.query
    const heads = phase === 'calls' ? all : all.filter(head => isKeptAs(head.status, status))
    for (let at = 0; at < heads.length;) {
      const room = this.query.limit - this.calls.length
      if (room <= 0) return heads[at - 1]!.sequence
      const some = heads.slice(at, at + room)
      const views = await Promise.all(some.map(head => this.view(phase, callIdOfSubject(head.subject))))
      this.calls.push(...views.filter(view => view !== undefined))
      at += some.length
    }
    return undefined
  }

  private async view(phase: Phase, callId: string): Promise<CallView | undefined> {
    const state = (await readState(this.bus, callId))?.state
    if (phase === 'calls') {
      return state === undefined || state.status === 'queued' ? viewOf(state ?? queuedState(callId)) : undefined
    }
    if (state === undefined) return undefined
    const view = viewOf(state, { isSummary: isFinal(state.status) })
    const { status } = this.query
    return status === undefined || view.status === status ? view : undefined
  }
}

function isFinalOrRuns(status: CallStatus | undefined): boolean {
  return status !== undefined && status !== 'queued'
}

/** Whether a state stored with this status may match. */
function isKeptAs(kept: string | undefined, asked: CallStatus | undefined): boolean {
  // Calls that wait after a redrive are listed from the queue.
  if (kept === 'queued') return false
  // Calls that wait for their next attempt are stored as running.
  return asked === undefined || kept === (asked === 'queued' ? 'running' : asked)
}

/** Like `scanHeads`, for a work queue. */
async function walkHeads(bus: Bus, stream: string, { filter, from, to }: ScanRange): Promise<MessageHead[]> {
  const heads: MessageHead[] = []
  for (let sequence = from; sequence < to;) {
    const message = await nextMessage(bus, stream, { subject: filter, sequence })
    if (message === undefined || message.sequence >= to) break
    heads.push({ subject: message.subject, sequence: message.sequence, status: undefined })
    sequence = message.sequence + 1
  }
  return heads
}
