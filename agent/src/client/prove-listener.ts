/**
 * Asks the program that accepted a connection to prove that it is ours (`contract/access.ts`), before anything else is
 * sent on it.
 *
 * Invariants: 1. every connection is asked, so there is no moment in which another program could step in. 2. after the
 * proof the connection is unchanged: nothing was read ahead. 3. any other response, or one that is too long, proves
 * nothing.
 */
import type { Socket } from 'node:net'
import { isProof, newNonce, PROOF_PATH, Proof } from '../contract/index.ts'

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

const MAX_RESPONSE_BYTES = 8 * 1024

/**
 * @param asking.port that the socket is connected, or connecting, to
 * @throws ForeignListenerError, SilentListenerError; the error that closed the connection
 */
export async function proveListener(
  socket: Socket,
  { token, port, patienceMs }: { token: string; port: number; patienceMs: number },
): Promise<void> {
  const challenge = { nonce: newNonce(), port }
  socket.write(`GET ${PROOF_PATH}?nonce=${challenge.nonce} HTTP/1.1\r\nHost: 127.0.0.1:${challenge.port}\r\n\r\n`)
  const { status, body } = await readAnswer(socket, patienceMs)
  // A part of ours that is shutting down can no longer prove anything.
  if (status >= 500) throw new Error(`it returned ${status}`)
  const answer = Proof.safeParse(parseJson(body))
  if (status !== 200 || !answer.success || !isProof(token, challenge, answer.data.proof))
    throw new ForeignListenerError()
}

interface Answer {
  status: number
  body: string
}

const NO_ANSWER: Answer = { status: 0, body: '' }

function readAnswer(socket: Socket, patienceMs: number): Promise<Answer> {
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
      const answer = parseAnswer(text)
      if (answer !== undefined) settle(() => resolve(answer))
    }
    socket.on('readable', read).on('error', fail).on('close', close)
  })
}

/** @returns undefined if it is not complete yet */
function parseAnswer(text: string): Answer | undefined {
  if (text.length > MAX_RESPONSE_BYTES) return NO_ANSWER
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end)
  const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]
  const length = /\r\ncontent-length: *(\d+)(?:\r\n|$)/i.exec(head)?.[1]
  if (status === undefined || length === undefined) return NO_ANSWER
  const body = text.slice(end + 4)
  return body.length < Number(length) ? undefined : { status: Number(status), body }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // Not ours.
  }
}
