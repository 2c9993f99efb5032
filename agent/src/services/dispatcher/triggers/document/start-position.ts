/** Where in the stream a subscription begins. */
import { EVENT_HEADERS, STREAMS, type Bus } from '../../../bus/index.ts'
import type { TriggerStart } from '../../../contract/index.ts'

/**
 * @returns sequence of the last message in the stream that the subscription does not see; some that it does not want
 *   may follow (see `isBefore`), none that it wants lies before.
 * @throws BusError
 */
export async function startOf(bus: Bus, from: TriggerStart['from']): Promise<number> {
  const { state } = await bus.ask(manager => manager.streams.info(STREAMS.events))
  const { first_seq: first, last_seq: last } = state
  if (state.messages === 0) return last
  const isWanted =
    from.kind === 'sequence'
      ? async (at: number) => (await eventAt(bus, at)).sequence >= from.sequence
      : async (at: number) => (await eventAt(bus, at)).timeMs >= Date.parse(from.time)
  // The log's sequence and the time of storing both grow along the stream.
  let [low, high] = [first, last + 1]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    if (await isWanted(middle)) high = middle
    else low = middle + 1
  }
  return low - 1
}

interface EventPlace {
  /** In the store's log. */
  sequence: number
  /** When the stream got it. */
  timeMs: number
}

/** @throws BusError; one that was removed meanwhile lies before everything. */
export async function eventAt(bus: Bus, sequence: number): Promise<EventPlace> {
  return bus.ask(async manager => {
    try {
      const { header, time } = await manager.direct.getMessage(STREAMS.events, { seq: sequence })
      const logSequence = header.get(EVENT_HEADERS.sequence)
      // What is no event must not hide those before it.
      return { sequence: logSequence === '' ? Infinity : Number(logSequence), timeMs: time.getTime() }
    } catch (error) {
      if ((error as { code?: string }).code === '404') return { sequence: 0, timeMs: 0 }
      throw error
    }
  })
}
