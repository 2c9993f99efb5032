/** Places in a stream, found by halving. */
import { messageAt, streamState, type Bus } from '../../../bus/index.ts'

/**
 * Sequence of the last message before those for which `isReached` holds: one less than `first` if it holds for all.
 * @param isReached true for some message and all after it
 */
export async function lastBefore(
  { first, last }: { first: number; last: number },
  isReached: (sequence: number) => Promise<boolean>,
): Promise<number> {
  let [low, high] = [first, last + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await isReached(middle)) high = middle
    else low = middle + 1
  }
  return low - 1
}

/**
 * Sequence of the last message that a stream got before `timeMs`.
 * @throws BusError
 */
export async function lastBeforeTime(bus: Bus, stream: string, timeMs: number): Promise<number> {
  const { messages, firstSequence: first, lastSequence: last } = await streamState(bus, stream)
  if (messages === 0) return last
  return lastBefore({ first, last }, async at => (await storedAt(bus, stream, at)) >= timeMs)
}

/** Milliseconds since 1970; a message that has been removed precedes everything. */
export async function storedAt(bus: Bus, stream: string, sequence: number): Promise<number> {
  return (await messageAt(bus, stream, sequence))?.timeMs() ?? 0
}
