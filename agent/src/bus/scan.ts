/** Scans a range of a stream without reading the bodies of its messages. */
import { AckPolicy, DeliverPolicy, nanos } from 'nats'
import { ask, linkOf, type Bus } from './bus.ts'
import { STATUS_HEADER } from './subjects.ts'

export interface MessageHead {
  subject: string
  sequence: number
  /** Set on state messages. */
  status: string | undefined
}

export interface ScanRange {
  filter: string
  /** Sequences from `from` (inclusive) to `to` (exclusive). */
  from: number
  to: number
}

const CONSUMER_LIFE_MS = 5_000

/**
 * Heads by sequence, through a consumer that exists for this one fetch. Not for work queues: the server allows them
 * no consumer that does not take messages.
 * @throws BusError
 */
export async function scanHeads(bus: Bus, stream: string, range: ScanRange): Promise<MessageHead[]> {
  return ask(bus, async (manager, names) => {
    const itsStream = names.stream(stream)
    const { name, num_pending: pending } = await manager.consumers.add(itsStream, {
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: Math.max(1, range.from),
      filter_subject: names.subject(range.filter),
      headers_only: true,
      mem_storage: true,
      inactive_threshold: nanos(CONSUMER_LIFE_MS),
    })
    const heads: MessageHead[] = []
    try {
      const batch = Math.min(pending, range.to - range.from)
      if (batch <= 0) return heads
      for await (const message of linkOf(bus).jetstream.fetch(itsStream, name, { batch, no_wait: true })) {
        if (message.seq >= range.to) break
        heads.push({
          subject: names.ownSubject(message.subject),
          sequence: message.seq,
          status: message.headers?.get(STATUS_HEADER) || undefined,
        })
      }
      return heads
    } finally {
      // If this fails, it expires.
      manager.consumers.delete(itsStream, name).catch(() => undefined)
    }
  })
}
