/**
 * Removes events from the stream that every trigger has seen and that are too old to replay.
 *
 * Invariants: 1. An event that a trigger has not seen stays, however old it is and however full the stream. 2. What
 * all have seen stays while it may be replayed, unless the stream is nearly full.
 */
import { purge, STREAMS, streamState, type Bus } from '../../../../bus/index.ts'
import { readCheckpoint } from '../checkpoint.ts'
import type { TriggerSource } from '../source.ts'
import { eventAt, lastBefore } from './start-position.ts'

const NEARLY_FULL = 0.8

export interface TrimOptions {
  retentionMs: number
  now: number
}

/**
 * @param triggers all deployed triggers
 * @returns how many were removed.
 * @throws BusError
 */
export async function trimEvents(
  bus: Bus,
  triggers: { name: string; source: Pick<TriggerSource, 'retains'> }[],
  options: TrimOptions,
): Promise<number> {
  const stream = await streamState(bus, STREAMS.events)
  const { firstSequence: first, lastSequence: last } = stream
  if (stream.messages === 0) return 0
  const seen = await Promise.all(
    triggers.map(async ({ name, source }) =>
      source.retains === undefined ? Infinity : source.retains((await readCheckpoint(bus, name))?.checkpoint),
    ),
  )
  const allSaw = Math.min(last, ...seen)
  if (allSaw < first) return 0
  const isNearlyFull = stream.maxBytes > 0 && stream.bytes > stream.maxBytes * NEARLY_FULL
  const keptFromMs = options.now - options.retentionMs
  const surplus = isNearlyFull
    ? first + Math.floor((last - first) / 2)
    : await lastBefore({ first, last: allSaw }, async at => (await eventAt(bus, at)).timeMs >= keptFromMs)
  const upTo = Math.min(allSaw, surplus)
  return upTo < first ? 0 : purge(bus, STREAMS.events, { upTo })
}
