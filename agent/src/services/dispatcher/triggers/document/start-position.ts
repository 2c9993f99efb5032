/** Where in the stream of events a subscription starts. */
import { EVENT_HEADERS, messageAt, STREAMS, streamState, type Bus } from '../../../../bus/index.ts'
import type { StartFrom } from '../../../../contract/index.ts'
import { lastBefore } from '../stream-position.ts'

/**
 * @returns sequence of the last message in the stream that the subscription does not see; some that it does not match
 *   may follow (see `EventFilter.wants`), none that it matches precedes it.
 * @throws BusError
 */
export async function startOf(bus: Bus, from: StartFrom): Promise<number> {
  const { messages, firstSequence, lastSequence } = await streamState(bus, STREAMS.events)
  if (messages === 0) return lastSequence
  // The log's sequence and the time of storing both grow along the stream.
  return lastBefore({ first: firstSequence, last: lastSequence }, async at => {
    const event = await eventAt(bus, at)
    return from.kind === 'sequence' ? event.sequence >= from.sequence : event.timeMs >= Date.parse(from.time)
  })
}

interface EventPlace {
  /** Sequence in the store's log. */
  sequence: number
  /** When the stream got it. */
  timeMs: number
}

/** @throws BusError; one that has been removed precedes everything. */
async function eventAt(bus: Bus, sequence: number): Promise<EventPlace> {
  const message = await messageAt(bus, STREAMS.events, sequence)
  if (message === undefined) return { sequence: 0, timeMs: 0 }
  // A message that is not an event must not hide those before it.
  return { sequence: Number(message.header(EVENT_HEADERS.sequence) ?? Infinity), timeMs: message.timeMs() }
}
