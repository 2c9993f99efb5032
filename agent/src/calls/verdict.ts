/** What the end of an attempt means for its call: pure rules; clock and randomness are passed in. */
import { HEADERS } from '@ryo-faas/runtime/protocol'
import type { CallError } from '../contract/index.ts'

export interface FunctionAnswer {
  kind: 'answer'
  status: number
  /** Without hop-by-hop headers. */
  headers: [string, string][]
  /** Undefined if it is too long to be kept. */
  body: Buffer | undefined
  bodyBytes: number
}

/** Outcome of an attempt that the death of the proxy broke off. */
export const PROXY_LOST = 'PROXY_LOST'

/** How an attempt ended. */
export type AttemptEnd =
  | FunctionAnswer
  /** Nothing was sent: the connection was refused. */
  | { kind: 'unreachable'; message: string }
  /** The proxy died before it answered; CONNECTION_LOST if the answer had begun: then the function may be why. */
  | { kind: 'lost'; code: typeof PROXY_LOST | 'CONNECTION_LOST' | 'FUNCTION_TIMEOUT'; message: string }
  /** The request cannot be sent. */
  | { kind: 'unsendable'; message: string }
  | { kind: 'aborted' }

export type Verdict =
  | { kind: 'succeeded' }
  /** Another attempt would not help. */
  | { kind: 'failed'; error: CallError }
  | { kind: 'retry'; error: CallError; retryAfterMs: number }
  /** The function did not run and it is not the call's fault. */
  | { kind: 'unavailable'; error: CallError }
  /** The function is busy with other calls: it did not run. */
  | { kind: 'overloaded'; error: CallError; retryAfterMs: number }

export function judge(end: Exclude<AttemptEnd, { kind: 'aborted' }>, now: number): Verdict {
  switch (end.kind) {
    case 'unreachable':
      return { kind: 'unavailable', error: { code: 'PROXY_UNREACHABLE', message: end.message } }
    case 'lost':
      return { kind: 'retry', error: { code: end.code, message: end.message }, retryAfterMs: 0 }
    case 'unsendable':
      return { kind: 'failed', error: { code: 'BAD_REQUEST', message: end.message } }
    case 'answer':
      return judgeAnswer(end, now)
  }
}

function judgeAnswer(answer: FunctionAnswer, now: number): Verdict {
  const { status } = answer
  if (status < 400) return { kind: 'succeeded' }
  const code = platformCodeOf(answer)
  const error = { code: code ?? 'FUNCTION_STATUS', message: errorTextOf(answer, code) }
  // A function that is not deployed gets no calls from here: the proxy does not know it yet, or no longer.
  if (code === 'FUNCTION_UNAVAILABLE' || code === 'FUNCTION_NOT_FOUND') return { kind: 'unavailable', error }
  if (code === 'FUNCTION_OVERLOADED') {
    return { kind: 'overloaded', error, retryAfterMs: retryAfterMs(answer.headers, now) }
  }
  if (status < 500 && status !== 429) return { kind: 'failed', error }
  return { kind: 'retry', error, retryAfterMs: retryAfterMs(answer.headers, now) }
}

/** The proxy passes this header on only for the platform's own errors. */
export function platformCodeOf({ headers }: FunctionAnswer): string | undefined {
  return valueOf(headers, HEADERS.error)
}

export function valueOf(headers: readonly (readonly [string, string])[], name: string): string | undefined {
  return headers.find(([header]) => header.toLowerCase() === name)?.[1]
}

function errorTextOf({ status, body }: FunctionAnswer, code: string | undefined): string {
  if (code === undefined) return `the function answered ${status}`
  try {
    return (JSON.parse(String(body)) as { error: { message: string } }).error.message
  } catch {
    return `the platform answered ${code}` // Its body is for people; the header counts.
  }
}

/** Longer waits are cut to this. */
export const LONGEST_WAIT_MS = 3_600_000

/** `Retry-After` (RFC 9110 §10.2.3): seconds or a date. 0 if there is none. */
export function retryAfterMs(headers: readonly (readonly [string, string])[], now: number): number {
  const text = valueOf(headers, 'retry-after')?.trim() ?? ''
  const waitMs = /^[0-9]+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  return waitMs > 0 ? Math.min(waitMs, LONGEST_WAIT_MS) : 0
}
