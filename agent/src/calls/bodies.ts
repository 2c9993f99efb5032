/**
 * Bodies that are too large for a message, in pieces of `PIECE_BYTES` on a subject of their own. So no other
 * message may be larger: the server's `max_payload` stays 1 MB.
 *
 * Why not the library's object store: it digests with SHA-256 in JavaScript, which blocks this process for a quarter of
 * a second per 10 MiB, each way. The server already keeps a checksum of every message.
 *
 * Invariant: every put has a subject of its own, so two at once for the same call do not mix.
 */
import { randomBytes } from 'node:crypto'
import { type Bus, BusError, purge, STREAMS, subjectOf, writtenOnce } from '../bus/index.ts'

/** Bodies up to this many bytes travel in their message. */
export const INLINE_BODY_BYTES = 512 * 1024
const PIECE_BYTES = 512 * 1024

export type BodyKind = 'body' | 'result'

/**
 * @returns a reference, to be kept with the number of bytes.
 * @throws BusError, after removing what was stored so far
 */
export async function putBody(bus: Bus, owner: { kind: BodyKind; callId: string }, body: Uint8Array): Promise<string> {
  const reference = `${subjectOf(owner.kind, owner.callId)}.${randomBytes(6).toString('hex')}`
  const pieces = []
  for (let at = 0; at < body.length; at += PIECE_BYTES) {
    pieces.push(bus.publish(reference, body.subarray(at, at + PIECE_BYTES)))
  }
  const outcomes = await Promise.allSettled(pieces)
  const failure = outcomes.find(outcome => outcome.status === 'rejected')
  if (failure === undefined) return reference
  await removeBody(bus, reference).catch(() => undefined) // The first failure matters more.
  throw failure.reason
}

/**
 * @throws BusError UNAVAILABLE; REFUSED if it does not exist (or was removed)
 */
export async function getBody(bus: Bus, reference: string, bytes: number): Promise<Buffer> {
  const body = Buffer.allocUnsafe(bytes)
  let filled = 0
  for (let sequence = 1; filled < bytes;) {
    const piece = await writtenOnce(bus, streamOf(reference), { seq: sequence, next_by_subj: reference })
    if (piece === undefined || filled + piece.data.length > bytes) {
      throw new BusError('REFUSED', `there is no body ${reference} of ${bytes} bytes`)
    }
    body.set(piece.data, filled)
    filled += piece.data.length
    sequence = piece.sequence + 1
  }
  return body
}

/** @throws BusError */
export async function removeBody(bus: Bus, reference: string): Promise<void> {
  await purge(bus, streamOf(reference), { subject: reference })
}

function streamOf(reference: string): string {
  return reference.startsWith('rfa.result.') ? STREAMS.results : STREAMS.bodies
}
