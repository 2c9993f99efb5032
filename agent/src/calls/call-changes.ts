/**
 * What users do to calls: cancel them, retry dead ones.
 *
 * Invariants: 1. A cancelled call is final before any of its data is removed; a dispatcher that runs it finds
 * out by the state or by the message on `rfa.cancel`. 2. A redrive may fail anywhere and be repeated: the request
 * leaves the dead letters last.
 */
import type { CallView } from '../contract/index.ts'
import {
  type Bus,
  BusError,
  callIdOfSubject,
  lastMessage,
  REDRIVEN_HEADER,
  removeMessage,
  scanHeads,
  STREAMS,
  streamState,
  subjectOf,
  subjectsOf,
} from '../bus/index.ts'
import { removeBody } from './bodies.ts'
import { advance, readState, writeState } from './call-states.ts'
import type { CallState } from './call-state.ts'
import { queuedState, readQueued, viewOf, type QueuedCall } from './call-view.ts'

export type CancelOutcome = { kind: 'cancelled' | 'final'; call: CallView } | { kind: 'missing' }

/** @throws BusError UNAVAILABLE */
export async function cancelCall(bus: Bus, callId: string): Promise<CancelOutcome> {
  const queued = await readQueued(bus, callId)
  const outcome = await advance(bus, callId, state => {
    if (state === undefined && queued === undefined) return undefined
    return cancelled(state ?? queuedState(callId, queued?.head))
  })
  switch (outcome.kind) {
    case 'declined':
      return { kind: 'missing' }
    case 'final':
      // Cancelled before, by someone who could not take it out of the queue.
      if (outcome.state.status === 'cancelled') await dequeue(bus, queued)
      return { kind: 'final', call: viewOf(outcome.state) }
    case 'written':
      bus.tell(subjectOf('cancel', callId))
      await dequeue(bus, queued)
      return { kind: 'cancelled', call: viewOf(outcome.state) }
  }
}

/**
 * A dispatcher does not look for the state of a call that it gets for the first time, so a cancelled one must not stay.
 * @throws BusError UNAVAILABLE: then it may still run, and must be cancelled again
 */
async function dequeue(bus: Bus, queued: QueuedCall | undefined): Promise<void> {
  if (queued === undefined) return
  await removeMessage(bus, STREAMS.calls, queued.sequence)
  // A leftover body is swept later.
  if (queued.head?.bodyRef !== undefined) await removeBody(bus, queued.head.bodyRef).catch(() => undefined)
}

function cancelled({ nextAttemptAt: _, ...state }: CallState): CallState {
  const finishedAt = new Date().toISOString()
  return {
    ...state,
    status: 'cancelled',
    finishedAt,
    attempts: state.attempts.map(attempt =>
      attempt.finishedAt === undefined ? { ...attempt, finishedAt, outcome: 'CANCELLED' } : attempt,
    ),
  }
}

export type RedriveOutcome =
  { kind: 'queued'; call: CallView } | { kind: 'not-dead'; call: CallView } | { kind: 'missing' }

/** @throws BusError UNAVAILABLE, FULL */
export async function redriveCall(bus: Bus, callId: string): Promise<RedriveOutcome> {
  for (;;) {
    const stored = await readState(bus, callId)
    const dead = await lastMessage(bus, STREAMS.dead, subjectOf('dead', callId))
    if (dead === undefined || (stored && stored.state.status !== 'dead' && stored.state.status !== 'queued')) {
      return stored === undefined ? { kind: 'missing' } : { kind: 'not-dead', call: viewOf(stored.state) }
    }
    let state = stored?.state ?? queuedState(callId)
    if (stored?.state.status === 'dead') {
      state = revived(state)
      try {
        await writeState(bus, state, stored.revision)
      } catch (error) {
        if (error instanceof BusError && error.code === 'CONFLICT') continue
        throw error
      }
    }
    // The same message id for the same round: two redrives at once queue it once.
    await bus.publish(subjectOf('call', callId), dead.data, {
      messageId: `${callId}.${state.attemptsBefore}`,
      headers: { [REDRIVEN_HEADER]: '1' },
    })
    await removeMessage(bus, STREAMS.dead, dead.sequence)
    return { kind: 'queued', call: viewOf(state) }
  }
}

function revived({ finishedAt: _f, nextAttemptAt: _n, error: _e, result: _r, ...state }: CallState): CallState {
  return {
    ...state,
    status: 'queued',
    attemptsBefore: state.attempts.length,
    ...(state.callback && { callback: { ...state.callback, state: 'pending', attempts: 0 } }),
  }
}

const REDRIVEN_AT_ONCE = 64

/**
 * Retries all calls that are dead now, of one function or of all.
 * @returns how many were queued.
 * @throws BusError UNAVAILABLE, FULL
 */
export async function redriveDead(bus: Bus, route?: string): Promise<number> {
  const { firstSequence, lastSequence } = await streamState(bus, STREAMS.dead)
  let count = 0
  for (let from = firstSequence; from <= lastSequence;) {
    const to = Math.min(from + REDRIVEN_AT_ONCE, lastSequence + 1)
    const heads = await scanHeads(bus, STREAMS.dead, { filter: subjectsOf('dead', route), from, to })
    const outcomes = await Promise.all(heads.map(({ subject }) => redriveCall(bus, callIdOfSubject(subject))))
    count += outcomes.filter(({ kind }) => kind === 'queued').length
    from = to
  }
  return count
}
