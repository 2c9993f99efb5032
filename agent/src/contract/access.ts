/**
 * How a listener of the platform proves to a client that it is ours, before the client sends it a token: after a crash
 * or a reboot another program may hold the port.
 *
 * The client sends a nonce (`GET /.ryo-faas/proof?nonce=<32 to 128 hex digits>`); the answer is `{"proof":
 * "<base64url>"}`, an HMAC-SHA256 under the operator's token over the nonce and the port that the connection arrived
 * at. The port is part of it so that a listener in the middle cannot forward the challenge to the real one.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

export const PROOF_PATH = '/.ryo-faas/proof'
const NONCE = /^[0-9a-f]{32,128}$/

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
 * @param port local port of the connection
 * @returns JSON; undefined if `url` does not ask for a proof
 */
export function answerProof(token: string, { url, port }: { url: string; port: number }): string | undefined {
  const [path, search] = url.split('?', 2)
  if (path !== PROOF_PATH) return undefined
  const [nonce, another] = new URLSearchParams(search).getAll('nonce')
  if (nonce === undefined || another !== undefined || !NONCE.test(nonce)) return undefined
  return JSON.stringify({ proof: proofOf(token, { nonce, port }) })
}

/** The proof in the text of such a response; undefined if there is none. */
export function proofIn(text: string): string | undefined {
  try {
    const { proof } = JSON.parse(text) as { proof?: unknown }
    return typeof proof === 'string' ? proof : undefined
  } catch {
    return undefined // Not ours.
  }
}
