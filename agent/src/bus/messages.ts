/** Single messages of streams. */
import type { StoredMsg } from 'nats'
import { ask, linkOf, type Bus, type DirectQuery } from './bus.ts'
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
  return read(bus, stream, { last_by_subj: subject })
}

/**
 * The same, also of a stream that allows no other way: as the server that orders its writes has it.
 * @throws BusError UNAVAILABLE
 */
export function newestMessage(bus: Bus, stream: string, subject: string): Promise<StoredMessage | undefined> {
  return fromLeader(bus, stream, { last_by_subj: subject })
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
  return read(bus, stream, { seq: from.sequence, next_by_subj: from.subject })
}

/**
 * A message that is written once, such as a piece of a body, and never another one in its place: what a replica has is
 * right, and costs less.
 * @throws BusError UNAVAILABLE
 */
export async function writtenOnce(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return (await direct(bus, stream, query)) ?? (linkOf(bus).names.isShared ? fromLeader(bus, stream, query) : undefined)
}

/**
 * The message with a sequence; undefined if it was removed.
 * @throws BusError UNAVAILABLE
 */
export function messageAt(bus: Bus, stream: string, sequence: number): Promise<StoredMessage | undefined> {
  return read(bus, stream, { seq: sequence })
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
      if (!isApiError(error, JETSTREAM_ERRORS.deleteFailed) || (await messageAt(bus, stream, sequence))) throw error
    }
  })
}

/**
 * Never from a replica that is behind: what is decided from a message that is old, or not there yet, is lost for good.
 * Our own server is the only one, and answers directly, without base64 in JSON.
 */
function read(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return linkOf(bus).names.isShared ? fromLeader(bus, stream, query) : direct(bus, stream, query)
}

function fromLeader(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return ask(bus, async (manager, names) => {
    try {
      return stored(await manager.streams.getMessage(names.stream(stream), named(query, names)), names)
    } catch (error) {
      if (isApiError(error, JETSTREAM_ERRORS.messageNotFound)) return undefined
      throw error
    }
  })
}

function direct(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return ask(bus, async (manager, names) => {
    try {
      return stored(await manager.direct.getMessage(names.stream(stream), named(query, names)), names)
    } catch (error) {
      if ((error as { code?: string }).code === '404') return undefined
      throw error
    }
  })
}

function named<Q extends DirectQuery>(query: Q, names: BusNames): Q {
  if ('last_by_subj' in query) return { ...query, last_by_subj: names.subject(query.last_by_subj) }
  return query.next_by_subj === undefined ? query : { ...query, next_by_subj: names.subject(query.next_by_subj) }
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
