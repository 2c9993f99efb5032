/**
 * Removes events from the stream that every trigger has seen and nobody will replay.
 *
 * Invariants: 1. an event that a trigger has still to see stays, however old it is and however full the stream. 2. what
 * all have seen stays for as long as it may be replayed, unless the stream is nearly full.
 */
import { STREAMS, type Bus } from '../../../bus/index.ts'
import { readPosition } from './cursor.ts'
import { eventAt } from './start-position.ts'

const NEARLY_FULL = 0.8

export interface TrimOptions {
  retentionMs: number
  now: number
}

/**
 * @param triggers names of all that are deployed
 * @returns how many were removed.
 * @throws BusError
 */
export async function trimEvents(bus: Bus, triggers: string[], options: TrimOptions): Promise<number> {
  const { config, state } = await bus.ask(manager => manager.streams.info(STREAMS.events))
  if (state.messages === 0) return 0
  const seen = await Promise.all(triggers.map(trigger => readPosition(bus, trigger)))
  // One that has not begun yet wants what it wants.
  if (seen.includes(undefined)) return 0
  const allSaw = Math.min(state.last_seq, ...seen.map(stored => stored!.position.sequence))
  const isNearlyFull = config.max_bytes > 0 && state.bytes > config.max_bytes * NEARLY_FULL
  const surplus = isNearlyFull
    ? state.first_seq + Math.floor((state.last_seq - state.first_seq) / 2)
    : await lastOlderThan(bus, { first: state.first_seq, last: allSaw, timeMs: options.now - options.retentionMs })
  const upTo = Math.min(allSaw, surplus)
  if (upTo < state.first_seq) return 0
  const { purged } = await bus.ask(manager => manager.streams.purge(STREAMS.events, { seq: upTo + 1 }))
  return purged
}

/** One less than `first` if all are younger. */
async function lastOlderThan(
  bus: Bus,
  { first, last, timeMs }: { first: number; last: number; timeMs: number },
): Promise<number> {
  let [low, high] = [first, last + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if ((await eventAt(bus, middle)).timeMs >= timeMs) high = middle
    else low = middle + 1
  }
  return low - 1
}
