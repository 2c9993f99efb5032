/** Single messages of streams. */
import type { StoredMsg } from 'nats'
import { ask, type Bus, type DirectQuery } from './bus.ts'
import { isApiError, JETSTREAM_ERRORS } from './bus-error.ts'

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
 * The message at a place of a stream; undefined if it was removed.
 * @throws BusError UNAVAILABLE
 */
export function messageAt(bus: Bus, stream: string, sequence: number): Promise<StoredMessage | undefined> {
  return direct(bus, stream, { seq: sequence })
}

/**
 * Takes a message out of a stream; one that is gone already is as good.
 * @throws BusError UNAVAILABLE
 */
export async function removeMessage(bus: Bus, stream: string, sequence: number): Promise<void> {
  await ask(bus, async manager => {
    try {
      await manager.streams.deleteMessage(stream, sequence, false)
    } catch (error) {
      // The server has one code for all that can go wrong with it.
      if (!isApiError(error, JETSTREAM_ERRORS.deleteFailed) || (await direct(bus, stream, { seq: sequence })))
        throw error
    }
  })
}

async function direct(bus: Bus, stream: string, query: DirectQuery): Promise<StoredMessage | undefined> {
  return ask(bus, async manager => {
    try {
      return stored(await manager.direct.getMessage(stream, query))
    } catch (error) {
      if ((error as { code?: string }).code === '404') return undefined
      throw error
    }
  })
}

/** Time and headers are looked at by few, and reading them is work. */
function stored(message: StoredMsg): StoredMessage {
  const { subject, seq: sequence, data } = message
  return {
    subject,
    sequence,
    data: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
    timeMs: () => message.time.getTime(),
    header: name => message.header.get(name) || undefined,
  }
}
