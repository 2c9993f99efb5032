/**
 * Idempotency keys: a bucket that remembers for which call a key stands. The bucket's own age limit is the window.
 *
 * Invariant: of two that claim a key at once, one makes it and both learn the same id.
 */
import { createHash } from 'node:crypto'
import type { Bus } from './bus.ts'
import { BusError } from './bus-error.ts'
import { lastMessage } from './messages.ts'
import { idempotencySubject, STREAMS } from './subjects.ts'

export interface KeyClaim {
  /** The call the key stands for. */
  callId: string
  /** The key was new: nobody has queued the call yet. */
  isNew: boolean
  /** The call was queued for certain, even if nothing is known of it any more. */
  isQueued: boolean
  revision: number
}

const QUEUED = ' queued'

/** Keys belong to a function. Digested, because they may hold anything and may be secret. */
export function digestOfKey(route: string, key: string): string {
  return createHash('sha256').update(`${route}\n${key}`, 'latin1').digest('hex')
}

/** @throws BusError UNAVAILABLE */
export async function claimKey(bus: Bus, digest: string, callId: string): Promise<KeyClaim> {
  const subject = idempotencySubject(digest)
  for (;;) {
    try {
      const { sequence } = await bus.publish(subject, Buffer.from(callId), { lastSubjectSequence: 0 })
      return { callId, isNew: true, isQueued: false, revision: sequence }
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
    }
    const known = await lastMessage(bus, STREAMS.idempotency, subject)
    // Gone meanwhile: its window ended between the two looks.
    if (known === undefined) continue
    const text = known.data.toString()
    const isQueued = text.endsWith(QUEUED)
    return { callId: isQueued ? text.slice(0, -QUEUED.length) : text, isNew: false, isQueued, revision: known.sequence }
  }
}

/**
 * The call of a claim is queued. Without this its key would be good for a second execution once its history is gone.
 * @throws BusError
 */
export async function confirmKey(bus: Bus, digest: string, { callId, revision }: KeyClaim): Promise<void> {
  await bus.publish(idempotencySubject(digest), Buffer.from(callId + QUEUED), { lastSubjectSequence: revision })
}
