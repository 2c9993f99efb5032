/** Names of streams and subjects. Every subject of a call ends in `<route>.<ulid>`: one wildcard names a function. */
import { parseCallId, type CallIdParts } from './call-id.ts'

export const STREAMS = {
  /** Calls that wait or run: work queue. */
  calls: 'rfa_calls',
  /** The last state of each call: the history. */
  states: 'rfa_states',
  /** Requests of dead calls, for redrive. */
  dead: 'rfa_dead',
  /** Results to be delivered: work queue. */
  callbacks: 'rfa_callbacks',
  /** Request bodies too large for a message, in pieces. */
  bodies: 'rfa_bodies',
  /** Result bodies too large for a message, in pieces. */
  results: 'rfa_results',
  /** A key-value bucket: digest of an idempotency key → call id. */
  idempotency: 'KV_rfa_idempotency',
} as const

/** Subjects of one call each: `prefix.<route>.<ulid>`. */
const PREFIXES = {
  call: 'rfa.call',
  state: 'rfa.state',
  dead: 'rfa.dead',
  callback: 'rfa.callback',
  /** No stream: tells dispatchers to abort a running call. */
  cancel: 'rfa.cancel',
  /** No stream: the server repeats the head of every call stored in `rfa_calls` here. */
  accepted: 'rfa.accepted',
  /** No stream: the server repeats the head of every state stored in `rfa_states` here. */
  changed: 'rfa.changed',
  /** One more token: distinguishes copies of a body. */
  body: 'rfa.body',
  result: 'rfa.result',
} as const
export type SubjectKind = keyof typeof PREFIXES

/** @throws if the id is none. */
export function subjectOf(kind: SubjectKind, callId: string): string {
  const parts = parseCallId(callId)
  if (parts === undefined) throw new Error(`not a call id: ${callId}`)
  return `${PREFIXES[kind]}.${parts.route}.${parts.ulid}`
}

/** All calls of a function, or of all functions. */
export function subjectsOf(kind: SubjectKind, route = '*'): string {
  return `${PREFIXES[kind]}.${route}.*`
}

/** Route and ulid of a subject of any kind. */
export function callIdOfSubject(subject: string): string {
  const [, , route, ulid] = subject.split('.') as [string, string, string, string]
  return joinCallId({ route, ulid })
}

function joinCallId({ route, ulid }: CallIdParts): string {
  return `${ulid}-${route}`
}

export function idempotencySubject(digest: string): string {
  return `$KV.rfa_idempotency.${digest}`
}

/** Header of a state message that repeats its status, so that lists need not read results. */
export const STATUS_HEADER = 'Rfa-Status'
