/**
 * How a listener of the platform proves to a client that it is ours, before the client sends it a token: after a crash
 * or a reboot another program may hold the port.
 *
 * The client sends a nonce (`GET /.ryo-faas/proof?nonce=<32 to 128 hex digits>`); the answer is `{"proof":
 * "<base64url>"}`, an HMAC-SHA256 under the operator's token over the nonce and the port that the connection arrived
 * at. The port is part of it so that a listener in the middle cannot forward the challenge to the real one.
 *
 * Of the tokens that people have (`ACCESS_TOKEN_PREFIX`) the agent keeps hashes only: with `&token=<id>` it proves that it
 * knows the hash, or answers `{"isUnknown": true}`, which tells the owner of a revoked token what is wrong.
 */
import { createHash, createHmac, hash, randomBytes, timingSafeEqual } from 'node:crypto'

export const PROOF_PATH = '/.ryo-faas/proof'
const NONCE = /^[0-9a-f]{32,128}$/

export const ACCESS_TOKEN_PREFIX = 'ryotoken_'
const ACCESS_TOKEN_ID = new RegExp(`^${ACCESS_TOKEN_PREFIX}([0-9A-Za-z]{8})`)

/** Instead of a proof: the token is not one of the listener's. */
export const UNKNOWN = Symbol('unknown token')

/** What is kept of a key or a token. It needs no salt and no slow function, because nobody can guess the key. */
export function hashOf(key: string): string {
  return hash('sha256', key, 'base64url')
}

/** The id in a token that was given to somebody; undefined for the operator's own. */
export function tokenIdIn(token: string): string | undefined {
  return ACCESS_TOKEN_ID.exec(token)?.[1]
}

export interface Challenge {
  /** Hexadecimal. */
  nonce: string
  /** Local port of the connection, as the listener sees it; the one the client connected to, as the client sees it. */
  port: number
}

export function newNonce(): string {
  return randomBytes(16).toString('hex')
}

export function proofOf(token: string, { nonce, port }: Challenge): string {
  return createHmac('sha256', token).update(`ryo-faas proof ${port} ${nonce}`).digest('base64url')
}

export function isProof(token: string, challenge: Challenge, given: string): boolean {
  return isSameSecret(given, proofOf(token, challenge))
}

/** In constant time: digests have one length whatever was sent, as the comparison needs. */
export function isSameSecret(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map(text => createHash('sha256').update(text).digest())
  return timingSafeEqual(a!, b!)
}

/**
 * The response of a listener to `GET PROOF_PATH?nonce=`.
 * @param asked.port local port of the connection
 * @param asked.hashOfToken the hash of the token with this id, if it is one of ours
 * @returns JSON; undefined if `url` does not ask for a proof
 */
export function answerProof(
  token: string,
  { url, port, hashOfToken }: { url: string; port: number; hashOfToken?: (id: string) => string | undefined },
): string | undefined {
  const [path, search] = url.split('?', 2)
  if (path !== PROOF_PATH) return undefined
  const query = new URLSearchParams(search)
  const [nonce, another] = query.getAll('nonce')
  if (nonce === undefined || another !== undefined || !NONCE.test(nonce)) return undefined
  const id = query.get('token')
  const secret = id === null ? token : hashOfToken?.(id)
  return JSON.stringify(secret === undefined ? { isUnknown: true } : { proof: proofOf(secret, { nonce, port }) })
}

/** The proof in the text of such a response, or that the token is not known; undefined if it is another response. */
export function proofIn(text: string): string | typeof UNKNOWN | undefined {
  try {
    const { proof, isUnknown } = JSON.parse(text) as { proof?: unknown; isUnknown?: unknown }
    if (isUnknown === true) return UNKNOWN
    return typeof proof === 'string' ? proof : undefined
  } catch {
    return undefined // Not ours.
  }
}
