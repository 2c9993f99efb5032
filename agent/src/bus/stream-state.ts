/** What a stream holds now, and emptying it. */
import { ask, type Bus } from './bus.ts'

export interface StreamState {
  /** When the stream was created: tells it from a later one of the same name. */
  created: string
  messages: number
  bytes: number
  /** 0 if it has no limit. */
  maxBytes: number
  /** Sequence of the first and the last message, even if they are gone. */
  firstSequence: number
  lastSequence: number
}

/** @throws BusError */
export async function streamState(bus: Bus, stream: string): Promise<StreamState> {
  const { created, config, state } = await ask(bus, (manager, names) => manager.streams.info(names.stream(stream)))
  return {
    created: String(created),
    messages: state.messages,
    bytes: state.bytes,
    maxBytes: Math.max(0, config.max_bytes),
    firstSequence: state.first_seq,
    lastSequence: state.last_seq,
  }
}

/**
 * The subjects for which a stream holds messages.
 * @throws BusError
 */
export async function subjectsIn(bus: Bus, stream: string, filter: string): Promise<string[]> {
  return ask(bus, async (manager, names) => {
    const options = { subjects_filter: names.subject(filter) }
    const { state } = await manager.streams.info(names.stream(stream), options)
    return Object.keys(state.subjects ?? {}).map(names.ownSubject)
  })
}

/**
 * Removes messages: all of a subject, or all up to a sequence.
 * @returns how many.
 * @throws BusError
 */
export async function purge(bus: Bus, stream: string, what: { subject: string } | { upTo: number }): Promise<number> {
  return ask(bus, async (manager, names) => {
    const options = 'subject' in what ? { filter: names.subject(what.subject) } : { seq: what.upTo + 1 }
    return (await manager.streams.purge(names.stream(stream), options)).purged
  })
}
