/**
 * Idempotency keys: a bucket that remembers the call and the request of each key
 * (draft-ietf-httpapi-idempotency-key-header). The bucket's own age limit is the window.
 *
 * Invariants: 1. When two claim a key at once, one succeeds and both learn the same id. 2. A key never gives one
 * request the call of another, even if another caller chose the same key.
 */
import { createHash } from 'node:crypto'
import { type Bus, BusError, idempotencySubject, lastMessage, STREAMS } from '../bus/index.ts'

export interface KeyClaim {
  /** The key's call. */
  callId: string
  /** The key was new: the call is not queued yet. */
  isNew: boolean
  /** The call was queued for certain, even if it is no longer known. */
  isQueued: boolean
  revision: number
}

const QUEUED = 'queued'

export interface KeyedRequest {
  route: string
  method: string
  /** Path and query after the function's name. */
  path: string
  authorization: string | undefined
  body: Uint8Array
}

/** Digests are stored instead of the key and its request, because both may contain secrets. */
export interface IdempotencyKey {
  /** Covers key and function: keys belong to a function. */
  digest: string
  /** Covers everything that identifies the request. */
  request: string
}

export function idempotencyKey(key: string, request: KeyedRequest): IdempotencyKey {
  const { route, method, path, authorization = '', body } = request
  // JSON, so that no two lists of texts give the same bytes.
  const about = createHash('sha256')
    .update(JSON.stringify([method, path, authorization]))
    .update(body)
  return {
    digest: createHash('sha256').update(`${route}\n${key}`, 'latin1').digest('hex'),
    request: about.digest('base64url'),
  }
}

/**
 * @returns undefined if the key belongs to another request.
 * @throws BusError UNAVAILABLE
 */
export async function claimKey(bus: Bus, key: IdempotencyKey, callId: string): Promise<KeyClaim | undefined> {
  const subject = idempotencySubject(key.digest)
  for (;;) {
    try {
      const { sequence } = await bus.publish(subject, encode({ callId, ...key }), { lastSubjectSequence: 0 })
      return { callId, isNew: true, isQueued: false, revision: sequence }
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
    }
    const known = await lastMessage(bus, STREAMS.idempotency, subject)
    // Gone: its window ended between the two reads.
    if (known === undefined) continue
    const [id, request, queued] = known.data.toString().split(' ')
    if (request !== key.request) return undefined
    return { callId: id!, isNew: false, isQueued: queued === QUEUED, revision: known.sequence }
  }
}

/**
 * Records that the call of a claim is queued. Otherwise its key could run it again once its history is gone.
 * @throws BusError
 */
export async function confirmKey(bus: Bus, key: IdempotencyKey, { callId, revision }: KeyClaim): Promise<void> {
  const text = encode({ callId, request: key.request, mark: QUEUED })
  await bus.publish(idempotencySubject(key.digest), text, { lastSubjectSequence: revision })
}

function encode({ callId, request, mark }: { callId: string; request: string; mark?: string }): Buffer {
  return Buffer.from([callId, request, ...(mark === undefined ? [] : [mark])].join(' '))
}
