/**
 * Removes events from a stream that every trigger has seen and that are too old to replay.
 *
 * Invariants: 1. An event that a trigger has not seen stays, however old it is and however full the stream. 2. What
 * all have seen stays while it may be replayed, unless the stream is nearly full. 3. A dispatcher of an agent that does not
 * lead any more removes nothing: it does not know what was deployed since.
 */
import { purge, streamState, type Bus } from '../../../bus/index.ts'
import { readCheckpoint } from './checkpoint.ts'
import type { TriggerSource } from './source.ts'
import { lastBefore, storedAt } from './stream-position.ts'

const NEARLY_FULL = 0.8

export interface TrimOptions {
  stream: string
  retentionMs: number
  now: number
  /** Of the agent that started this dispatcher. */
  term: number
}

/**
 * @param triggers all deployed triggers
 * @returns how many were removed.
 * @throws BusError
 */
export async function trimStream(
  bus: Bus,
  triggers: { name: string; source: Pick<TriggerSource, 'stream'> }[],
  options: TrimOptions,
): Promise<number> {
  const stream = await streamState(bus, options.stream)
  const { firstSequence: first, lastSequence: last } = stream
  if (stream.messages === 0) return 0
  const kept = await Promise.all(
    triggers.filter(({ source }) => source.stream === options.stream).map(({ name }) => readCheckpoint(bus, name)),
  )
  if (kept.some(each => (each?.term ?? 0) > options.term)) return 0
  // A trigger that has not started needs everything it matches.
  const seen = kept.map(each => each?.checkpoint.sequence ?? 0)
  const allSaw = Math.min(last, ...seen)
  if (allSaw < first) return 0
  const isNearlyFull = stream.maxBytes > 0 && stream.bytes > stream.maxBytes * NEARLY_FULL
  const keptFromMs = options.now - options.retentionMs
  const surplus = isNearlyFull
    ? first + Math.floor((last - first) / 2)
    : await lastBefore({ first, last: allSaw }, async at => (await storedAt(bus, options.stream, at)) >= keptFromMs)
  const upTo = Math.min(allSaw, surplus)
  return upTo < first ? 0 : purge(bus, options.stream, { upTo })
}
