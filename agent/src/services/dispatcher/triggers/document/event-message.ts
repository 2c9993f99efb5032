/** The event of a message: in it, or in the store if it was too long. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { EVENT_HEADERS, type Delivery } from '../../../../bus/index.ts'
import type { DispatcherOptions } from '../../options.ts'
import { UnreadableEventError } from '../source.ts'

/** Where events that were too long for a message are, and our credentials for the store. */
export type EventStore = Pick<DispatcherOptions, 'storeUrl' | 'access'>

export interface EventMessage {
  event: DocumentCloudEvent
  /** As it was written. */
  body: Uint8Array
}

/** @throws UnreadableEventError; any other error if the store cannot provide it now. */
export async function readEvent(message: Delivery, store: EventStore, signal: AbortSignal): Promise<EventMessage> {
  const isElsewhere = message.header(EVENT_HEADERS.isElsewhere) !== undefined
  const sequence = message.header(EVENT_HEADERS.sequence) ?? ''
  const body = isElsewhere ? await fetchEvent(sequence, store, signal) : message.data
  const event = parsed(body)
  if (event === undefined)
    throw new UnreadableEventError(`a message on ${message.subject} is not an event; it was skipped`)
  return { body, event }
}

function parsed(body: Uint8Array): DocumentCloudEvent | undefined {
  try {
    const event = JSON.parse(Buffer.from(body).toString('utf8')) as DocumentCloudEvent
    const isEvent = typeof event.data.table === 'string' && !Number.isNaN(Date.parse(event.time))
    return isEvent ? event : undefined
  } catch {
    return undefined
  }
}

async function fetchEvent(
  sequence: string,
  { storeUrl, access }: EventStore,
  signal: AbortSignal,
): Promise<Uint8Array> {
  if (storeUrl === undefined) throw new Error(`event ${sequence} is in the store, whose address is unknown`)
  const response = await fetch(new URL(`/changes/${sequence}`, storeUrl), {
    headers: { authorization: `Bearer ${access.part}` },
    signal,
  })
  if (response.status === 404) {
    throw new UnreadableEventError(`event ${sequence} was too long for a message, and the store no longer has it`)
  }
  if (!response.ok) throw new Error(`the store answered ${response.status} for event ${sequence}`)
  return new Uint8Array(await response.arrayBuffer())
}
