/** The event of a message: in it, or at the store if it was too long. */
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { EVENT_HEADERS } from '../../../bus/index.ts'
import type { Delivery } from '../puller.ts'
import type { KnownEvent } from './event-delivery.ts'

/** It will never be had. */
export class UnreadableEventError extends Error {}

/** @throws UnreadableEventError; any other error if the store does not have it now. */
export async function readEvent(
  { subject, data, headers }: Delivery,
  storeUrl: string | undefined,
  signal: AbortSignal,
): Promise<KnownEvent> {
  const isElsewhere = headers?.has(EVENT_HEADERS.isElsewhere) === true
  const body = isElsewhere ? await fetchEvent(headers.get(EVENT_HEADERS.sequence), storeUrl, signal) : data
  const event = parsed(body)
  if (event === undefined) throw new UnreadableEventError(`a message on ${subject} is no event; it was passed over`)
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

async function fetchEvent(sequence: string, storeUrl: string | undefined, signal: AbortSignal): Promise<Uint8Array> {
  if (storeUrl === undefined) throw new Error(`event ${sequence} is at the store, whose address is not known`)
  const response = await fetch(new URL(`/changes/${sequence}`, storeUrl), { signal })
  if (response.status === 404) {
    throw new UnreadableEventError(`event ${sequence} was too long for a message, and the store has it no more`)
  }
  if (!response.ok) throw new Error(`the store answered ${response.status} for event ${sequence}`)
  return new Uint8Array(await response.arrayBuffer())
}
