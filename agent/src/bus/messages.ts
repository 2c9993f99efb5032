/** Single messages of streams. */
import type { StoredMsg } from 'nats'
import { ask, type Bus, type DirectQuery } from './bus.ts'
import { isApiError, JETSTREAM_ERRORS } from './bus-error.ts'
import type { BusNames } from './names.ts'

export interface StoredMessage {
  subject: string
  sequence: number
  data: Buffer
  /** When it was stored; milliseconds since the epoch. */
  timeMs(): number
  header(name: string): string | undefined
}

/**
 * The last message on a subject.
 * @throws BusError UNAVAILABLE
 */
export function lastMessage(bus: Bus, stream: string, subject: string): Promise<StoredMessage | undefined> {
  return direct(bus, stream, { last_by_subj: subject })
}

/**
 * The same, as the server that orders the writes of the stream has it: never an older one.
 * @throws BusError UNAVAILABLE
 */
export function newestMessage(bus: Bus, stream: string, subject: string): Promise<StoredMessage | undefined> {
  return ask(bus, async (manager, names) => {
    try {
      const query = { last_by_subj: names.subject(subject) }
      return stored(await manager.streams.getMessage(names.stream(stream), query), names)
    } catch (error) {
      if (isApiError(error, JETSTREAM_ERRORS.messageNotFound)) return undefined
      throw error
    }
  })
}

/**
 * The first message on a subject at or after `sequence`.
 * @throws BusError UNAVAILABLE
 */
export function nextMessage(
  bus: Bus,
  stream: string,
  from: { subject: string; sequence: number },
): Promise<StoredMessage | undefined> {
  return direct(bus, stream, { seq: from.sequence, next_by_subj: from.subject })
}

/**
 * The message with a sequence; undefined if it was removed.
 * @throws BusError UNAVAILABLE
 */
export function messageAt(bus: Bus, stream: string, sequence: number): Promise<StoredMessage | undefined> {
  return direct(bus, stream, { seq: sequence })
}

/**
 * Removes a message from a stream; it may be gone already.
 * @throws BusError UNAVAILABLE
 */
export async function removeMessage(bus: Bus, stream: string, sequence: number): Promise<void> {
  await ask(bus, async (manager, names) => {
    try {
      await manager.streams.deleteMessage(names.stream(stream), sequence, false)
    } catch (error) {
      // The server has one code for everything that can go wrong here.
      if (!isApiError(error, JETSTREAM_ERRORS.deleteFailed) || (await direct(bus, stream, { seq: sequence })))
        throw error
    }
  })
}

async function direct(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return ask(bus, async (manager, names) => {
    const asked = 'last_by_subj' in query ? { last_by_subj: names.subject(query.last_by_subj) } : { ...query }
    if ('next_by_subj' in asked && asked.next_by_subj !== undefined)
      asked.next_by_subj = names.subject(asked.next_by_subj)
    try {
      return stored(await manager.direct.getMessage(names.stream(stream), asked), names)
    } catch (error) {
      if ((error as { code?: string }).code === '404') return undefined
      throw error
    }
  })
}

/** Few callers need time and headers, and parsing them is expensive. */
function stored(message: StoredMsg, names: BusNames): StoredMessage {
  const { subject, seq: sequence, data } = message
  return {
    subject: names.ownSubject(subject),
    sequence,
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    timeMs: () => message.time.getTime(),
    header: name => message.header.get(name) || undefined,
  }
}
