/** Names of streams and subjects. Every subject of a call ends in `<route>.<ulid>`: one wildcard names a function. */
import type { DocumentEventKind } from '@ryo-faas/runtime/protocol'
import { parseCallId, type CallIdParts } from './call-id.ts'

export const STREAMS = {
  /** Queued and running calls: work queue. */
  calls: 'rfa_calls',
  /** The last state of each call: the history. */
  states: 'rfa_states',
  /** Requests of dead calls, for redrive. */
  dead: 'rfa_dead',
  /** Results for callbacks: work queue. */
  callbacks: 'rfa_callbacks',
  /** Request bodies too large for a message, in pieces. */
  bodies: 'rfa_bodies',
  /** Result bodies too large for a message, in pieces. */
  results: 'rfa_results',
  /** Every document change, in the order of the store's log. */
  events: 'rfa_events',
  /** Events from elsewhere and of functions. */
  published: 'rfa_published',
  /** A key-value bucket: trigger → its position. */
  triggers: 'KV_rfa_triggers',
  /** A key-value bucket: the table of routes, entry by entry, and the proxies that serve it on other machines. */
  routes: 'KV_rfa_routes',
  /** A key-value bucket: digest of an idempotency key → call id. */
  idempotency: 'KV_rfa_idempotency',
} as const

/** Of platforms with several agents only. */
export const AGENT_STREAMS = {
  /** A key-value bucket: who leads, what the agents share, and which there are. */
  agents: 'KV_rfa_agents',
  /** What versions are made of, by digest, in pieces. */
  versions: 'rfa_versions',
} as const

/** Subjects of one call each: `prefix.<route>.<ulid>`. */
const PREFIXES = {
  call: 'rfa.call',
  state: 'rfa.state',
  dead: 'rfa.dead',
  callback: 'rfa.callback',
  /** Not a stream: tells dispatchers to abort a running call. */
  cancel: 'rfa.cancel',
  /** Not a stream: the server repeats the head of every call stored in `rfa_calls` here. */
  accepted: 'rfa.accepted',
  /** Not a stream: the server repeats the head of every state stored in `rfa_states` here. */
  changed: 'rfa.changed',
  /** One more token: distinguishes copies of a body. */
  body: 'rfa.body',
  result: 'rfa.result',
} as const
export type SubjectKind = keyof typeof PREFIXES

/** @throws if it is not a call id. */
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

/** An entry of the table of routes: see `routes/shared`. */
export function routesSubject(entry: string): string {
  return `$KV.rfa_routes.${entry}`
}

/** What a proxy on another machine says of itself, or is asked. */
export function proxySubject(what: 'alive' | 'demand' | 'ask', id: string): string {
  return `rfa.proxy.${what}.${id}`
}

/** Proxies on other machines are to say that they are there. */
export const ROLL_CALL = 'rfa.proxy.call'

/** The agent is asked which routes are the newest. */
export const NEWEST_ROUTES = 'rfa.proxy.newest'

/** Position of a trigger: `<route>.<handler>`. */
export function triggerSubject(trigger: string): string {
  return `$KV.rfa_triggers.${trigger}`
}

/** What agents tell each other; `member.<id>`, for one. */
export function agentsSubject(key: string): string {
  return `$KV.rfa_agents.${key}`
}

/** A piece of a content. @param piece its number, or `*` */
export function versionSubject(digest: string, piece: number | '*'): string {
  return `rfa.version.${digest}.${piece}`
}

/** `1` on the message of a call that had been queued before. */
export const REDRIVEN_HEADER = 'Rfa-Redriven'

/** Header of a state message that repeats its status, so that lists need not read results. */
export const STATUS_HEADER = 'Rfa-Status'

/** All events of the store: `rfa.store.<kind>.<table>.<id>`, table and id as tokens. */
export const EVENT_SUBJECTS = 'rfa.store.*.*.*'

/** Subject of the changes of a document; of all documents of the table without `id`. */
export function eventSubject({ kind, table, id }: { kind: DocumentEventKind; table: string; id?: string }): string {
  return `rfa.store.${kind}.${encodeToken(table)}.${id === undefined ? '*' : encodeToken(id)}`
}

/**
 * Any text as one token of a subject: letters, digits, `-` and `_` stay, every other byte of its UTF-8 form becomes
 * `=` and two hex digits. Different texts have different tokens.
 */
export function encodeToken(text: string): string {
  return text.replace(/[^A-Za-z0-9_-]/gu, char =>
    [...Buffer.from(char)].map(byte => `=${byte.toString(16).padStart(2, '0')}`).join(''),
  )
}

/** All events that were published: `rfa.event.<type>`, each part of the type between dots a token. */
export const PUBLISHED_SUBJECTS = 'rfa.event.>'

/** Subject of the events of a type. */
export function publishedSubject(type: string): string {
  return `rfa.event.${typeTokens(type).join('.')}`
}

/** A subject for all events whose type begins with `prefix`, and for no more others than parts of types allow. */
export function publishedSubjects(prefix: string): string {
  return ['rfa.event', ...typeTokens(prefix).slice(0, -1), '>'].join('.')
}

/** A lone `=` is no token of any other text. */
function typeTokens(type: string): string[] {
  return type.split('.').map(part => (part === '' ? '=' : encodeToken(part)))
}

/** Header of a published event: how many events led to it, decimal. */
export const DEPTH_HEADER = 'Rfa-Depth'

/** Headers of an event message. */
export const EVENT_HEADERS = {
  /** Sequence in the store's log, decimal. */
  sequence: 'Rfa-Sequence',
  /** `1`: the event is too long, so its message is empty; the store has it under its sequence. */
  isElsewhere: 'Rfa-Elsewhere',
} as const
