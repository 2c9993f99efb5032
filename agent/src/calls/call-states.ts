/**
 * Reads and writes the states of calls.
 *
 * Invariants: 1. A state is written only over the one it was made from (expected sequence), so when a call is cancelled
 * and succeeds at the same time, one wins. 2. `advance` never leaves a final state.
 */
import { type Bus, BusError, lastMessage, STATUS_HEADER, STREAMS, subjectOf } from '../bus/index.ts'
import { CallState, isFinal } from './call-state.ts'

export interface StoredState {
  state: CallState
  /** Sequence of the message that holds it. */
  revision: number
}

/** @throws BusError UNAVAILABLE */
export async function readState(bus: Bus, callId: string): Promise<StoredState | undefined> {
  const message = await lastMessage(bus, STREAMS.states, subjectOf('state', callId))
  return message && { state: CallState.parse(JSON.parse(message.data.toString())), revision: message.sequence }
}

/**
 * @param revision revision of the state it replaces; 0 if there is none.
 * @returns its own revision.
 * @throws BusError CONFLICT if another was written in between
 */
export async function writeState(bus: Bus, state: CallState, revision: number): Promise<number> {
  const ack = await bus.publish(subjectOf('state', state.id), Buffer.from(JSON.stringify(state)), {
    lastSubjectSequence: revision,
    headers: { [STATUS_HEADER]: state.status },
  })
  return ack.sequence
}

export type Advance =
  | ({ kind: 'written' } & StoredState)
  /** It was already final and stays as it is. */
  | ({ kind: 'final' } & StoredState)
  /** `change` declined. */
  | { kind: 'declined'; state: CallState | undefined }

/**
 * Reads the state and writes what `change` makes of it, again if another writer was faster.
 * @throws BusError UNAVAILABLE
 */
export async function advance(
  bus: Bus,
  callId: string,
  change: (state: CallState | undefined) => CallState | undefined,
): Promise<Advance> {
  for (;;) {
    const current = await readState(bus, callId)
    if (current && isFinal(current.state.status)) return { kind: 'final', ...current }
    const next = change(current?.state)
    if (next === undefined) return { kind: 'declined', state: current?.state }
    try {
      return { kind: 'written', state: next, revision: await writeState(bus, next, current?.revision ?? 0) }
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
    }
  }
}
