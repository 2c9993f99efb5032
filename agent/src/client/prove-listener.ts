/**
 * Asks the program that accepted a connection to prove that it is ours (`contract/access.ts`), before anything else is
 * sent on it.
 *
 * Invariants: 1. every connection is asked, so there is no moment in which another program could step in. 2. after the
 * proof the connection is unchanged: nothing was read ahead. 3. any other response, or one that is too long, proves
 * nothing.
 */
import type { Socket } from 'node:net'
import { hashOf, isProof, newNonce, PROOF_PATH, proofIn, tokenIdIn, UNKNOWN } from '../contract/index.ts'

export class ForeignListenerError extends Error {
  constructor() {
    super('another program is listening there')
  }
}

/** It accepted the connection or the request, and did not respond. */
export class SilentListenerError extends Error {
  constructor() {
    super('no response')
  }
}

/** It may be ours, but does not know the token. */
export class UnknownTokenError extends Error {
  constructor() {
    super('the token is not known there')
  }
}

const MAX_PROOF_BYTES = 8 * 1024

/**
 * @param asking.port that the socket is connected, or connecting, to; behind a tunnel, the one at its far end
 * @throws ForeignListenerError, SilentListenerError, UnknownTokenError; the error that closed the connection
 */
export async function proveListener(
  socket: Socket,
  { token, port, patienceMs }: { token: string; port: number; patienceMs: number },
): Promise<void> {
  const challenge = { nonce: newNonce(), port }
  const id = tokenIdIn(token)
  const query = `nonce=${challenge.nonce}${id === undefined ? '' : `&token=${id}`}`
  const head = `GET ${PROOF_PATH}?${query} HTTP/1.1\r\nHost: 127.0.0.1:${challenge.port}\r\n\r\n`
  const { status, body } = await exchange(socket, head, { patienceMs, maxBytes: MAX_PROOF_BYTES })
  // A part of ours that is shutting down can no longer prove anything.
  if (status >= 500) throw new Error(`it returned ${status}`)
  const proof = proofIn(body)
  if (id !== undefined && status === 200 && proof === UNKNOWN) throw new UnknownTokenError()
  const secret = id === undefined ? token : hashOf(token)
  if (status !== 200 || typeof proof !== 'string' || !isProof(secret, challenge, proof))
    throw new ForeignListenerError()
}

interface Answer {
  status: number
  body: string
}

const NO_ANSWER: Answer = { status: 0, body: '' }

/**
 * One request without a body and its response, on a connection that nobody else uses at the moment. Without
 * `node:http`, which takes longer to load than all of this to run.
 * @returns status 0 if the response has no length or is too long
 */
export function exchange(
  socket: Socket,
  head: string,
  { patienceMs, maxBytes }: { patienceMs: number; maxBytes: number },
): Promise<Answer> {
  socket.write(head)
  return new Promise((resolve, reject) => {
    let text = ''
    const settle = (then: () => void) => {
      clearTimeout(timer)
      socket.off('readable', read).off('error', fail).off('close', close)
      then()
    }
    const fail = (error: Error) => settle(() => reject(error))
    const close = () => fail(new Error('the connection was closed'))
    const timer = setTimeout(() => fail(new SilentListenerError()), patienceMs)
    const read = () => {
      for (;;) {
        const chunk = socket.read() as Buffer | null
        if (chunk === null) break
        text += chunk.toString('latin1')
      }
      const answer = parseAnswer(text, maxBytes)
      if (answer !== undefined) settle(() => resolve(answer))
    }
    socket.on('readable', read).on('error', fail).on('close', close)
  })
}

/** @returns undefined if it is not complete yet */
function parseAnswer(text: string, maxBytes: number): Answer | undefined {
  if (text.length > maxBytes) return NO_ANSWER
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]
  const length = /\r\ncontent-length: *(\d+)(?:\r\n|$)/i.exec(head)?.[1]
  if (status === undefined || length === undefined) return NO_ANSWER
  const body = text.slice(end + 4)
  if (body.length < Number(length)) return undefined
  return { status: Number(status), body: Buffer.from(body, 'latin1').toString() }
}
