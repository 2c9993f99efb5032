/** An event as a message of the stream, and back: which event a message is. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { EVENT_HEADERS, eventSubject } from '../../../bus/index.ts'
import type { LogEntry } from '../documents/index.ts'

export interface RelayMessage {
  subject: string
  data: Buffer
  messageId: string
  headers: Record<string, string>
}

/** Room for subject and headers within the server's limit of 1 MiB for a message, and some more for the client. */
const INLINE_BYTES = 700 * 1024
const NOTHING = Buffer.alloc(0)

/**
 * @param epoch of the log: a log that was started again must not have its events taken for those of the one before
 */
export function messageOf({ sequence, text }: LogEntry, epoch: string): RelayMessage {
  const { kind, table, id } = (JSON.parse(text) as DocumentCloudEvent).data
  const data = Buffer.from(text)
  const isLong = data.length > INLINE_BYTES
  return {
    subject: eventSubject({ kind, table, id }),
    data: isLong ? NOTHING : data,
    messageId: `${epoch}:${sequence}`,
    headers: { [EVENT_HEADERS.sequence]: String(sequence), ...(isLong && { [EVENT_HEADERS.isElsewhere]: '1' }) },
  }
}

/** Sequence of the event that a message id stands for; `undefined` if it is of another epoch. */
export function sequenceOfMessage(messageId: string, epoch: string): number | undefined {
  const [messageEpoch, sequence] = messageId.split(':')
  return messageEpoch === epoch ? Number(sequence) : undefined
}
