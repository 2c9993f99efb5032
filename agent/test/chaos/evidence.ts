/** What a chaos run left behind, and which of it is a violation. */
import type { ReceivedCallback } from '../async/callback-receiver.ts'
import { isFinal, type CallStatus } from './call-statuses.ts'

/** The function's response. */
export interface Answer {
  n: number
  callId: string
  padding: string
}

/** In the function's log once for each run. */
export interface Run {
  callId: string
  n: number
}

export interface Evidence {
  /** How many calls should be accepted. */
  calls: number
  /** Ids of the accepted calls, by number. */
  callIds: Map<number, string>
  statuses: Map<string, CallStatus>
  received: ReceivedCallback[]
  runs: Run[]
  paddingOf: (n: number) => number
}

/** Empty if all went well. */
export function faultsIn(evidence: Evidence): string[] {
  const { calls, callIds } = evidence
  return [
    ...(callIds.size === calls ? [] : [`${calls - callIds.size} calls were never accepted`]),
    ...lost(evidence),
    ...evidence.received.flatMap(callback => wrongIn(callback, evidence)),
    ...split(evidence),
    ...unrun(evidence),
  ]
}

function lost({ statuses, received }: Evidence): string[] {
  const arrived = new Set(received.map(({ callId }) => callId))
  return [...statuses].flatMap(([callId, known]) => {
    const { status, callback } = known
    if (!isFinal(known)) return [`${callId} is ${status}`]
    if (!arrived.has(callId)) return [`${callId} is ${status}, its callback ${callback} and never arrived`]
    return callback === 'delivered' ? [] : [`the callback of ${callId} arrived and is said to be ${callback}`]
  })
}

/** A callback reports the outcome of the very call that it names. */
function wrongIn({ callId, status, headers, body, isGenuine }: ReceivedCallback, evidence: Evidence): string[] {
  if (!isGenuine || headers['webhook-id'] !== callId) return [`the callback of ${callId} is not signed as it should be`]
  if (status !== 200) return []
  const { n, callId: answered, padding } = JSON.parse(body) as Answer
  const isRight = evidence.callIds.get(n) === callId && answered === callId && padding.length === evidence.paddingOf(n)
  return isRight ? [] : [`the callback of ${callId} holds ${body.slice(0, 200)}`]
}

/** The same `Idempotency-Key` is the same call, however often it was sent. */
function split({ runs, callIds }: Evidence): string[] {
  return runs
    .filter(({ callId, n }) => callIds.has(n) && callIds.get(n) !== callId)
    .map(({ callId, n }) => `call ${n} was accepted as ${callIds.get(n)} and ran as ${callId}`)
}

/** Otherwise the log is incomplete, and its count of runs is meaningless. */
function unrun({ runs, statuses }: Evidence): string[] {
  const ran = new Set(runs.map(({ callId }) => callId))
  return [...statuses]
    .filter(([callId, { status }]) => status === 'succeeded' && !ran.has(callId))
    .map(([callId]) => `${callId} succeeded and no run of it is in the log`)
}
