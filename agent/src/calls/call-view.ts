/** Calls as their callers see them, built from what the streams hold. */
import { isUtf8 } from 'node:buffer'
import type { CallStatus, CallView } from '../contract/index.ts'
import { type Bus, lastMessage, parseCallId, STREAMS, subjectOf, timeOfCallId } from '../bus/index.ts'
import { getBody } from './bodies.ts'
import type { CallResult, CallState } from './call-state.ts'
import { readState } from './call-states.ts'
import { decodeCall, type CallHead } from './envelope.ts'

/** @throws BusError UNAVAILABLE */
export async function getCall(bus: Bus, callId: string): Promise<CallView | undefined> {
  const state = await getState(bus, callId)
  return state && viewOf(state)
}

/**
 * The state of a call, or one made up if it waits and has none yet.
 * @throws BusError UNAVAILABLE
 */
export async function getState(bus: Bus, callId: string): Promise<CallState | undefined> {
  if (parseCallId(callId) === undefined) return undefined
  const stored = await readState(bus, callId)
  if (stored !== undefined) return stored.state
  const queued = await readQueued(bus, callId)
  if (queued !== undefined) return queuedState(callId, queued.head)
  // It may have got a state and left the queue between the two reads.
  return (await readState(bus, callId))?.state
}

export interface QueuedCall {
  /** Absent if the message cannot be read: its call fails when its turn comes. */
  head: CallHead | undefined
  /** The whole message. */
  data: Buffer
  sequence: number
}

/** A call that waits or runs, with the request. */
export async function readQueued(bus: Bus, callId: string): Promise<QueuedCall | undefined> {
  const message = await lastMessage(bus, STREAMS.calls, subjectOf('call', callId))
  return message && { ...message, head: headOf(message.data) }
}

function headOf(data: Buffer): CallHead | undefined {
  try {
    return decodeCall(data).head
  } catch {
    return undefined
  }
}

/** A call before its first attempt. */
export function queuedState(callId: string, head?: CallHead): CallState {
  return {
    id: callId,
    function: parseCallId(callId)!.route,
    status: 'queued',
    acceptedAt: head?.acceptedAt ?? new Date(timeOfCallId(callId)).toISOString(),
    attempts: [],
    attemptsBefore: 0,
    ...(head?.callbackUrl !== undefined && { callback: { url: head.callbackUrl, state: 'pending', attempts: 0 } }),
  }
}

export function viewOf(state: CallState, options: { isSummary?: boolean } = {}): CallView {
  const { attemptsBefore: _, result, ...kept } = state
  const rest = { ...kept, status: seenAs(state) }
  if (result === undefined) return rest
  const { body, bodyRef: _ref, ...head } = result
  const href = `/calls/${state.id}/result`
  return {
    ...rest,
    result: { ...head, href, ...(body !== undefined && options.isSummary !== true && readable(body)) },
  }
}

/** Stored as running from the first attempt to the last; between two attempts it is queued. */
function seenAs({ status, nextAttemptAt }: CallState): CallStatus {
  return status === 'running' && nextAttemptAt !== undefined ? 'queued' : status
}

function readable(base64: string): { body: string; encoding: 'utf8' | 'base64' } {
  const bytes = Buffer.from(base64, 'base64')
  return isUtf8(bytes) ? { body: bytes.toString('utf8'), encoding: 'utf8' } : { body: base64, encoding: 'base64' }
}

export interface Answer {
  status: number
  headers: [string, string][]
  /** Undefined if it was too long to be kept. */
  body: Buffer | undefined
  bodyBytes: number
}

/**
 * The function's response; undefined until there is one.
 * @throws BusError UNAVAILABLE; REFUSED if the body is no longer kept
 */
export async function getAnswer(bus: Bus, callId: string): Promise<Answer | undefined> {
  const result = (await getState(bus, callId))?.result
  if (result === undefined) return undefined
  const { status, headers, bodyBytes } = result
  return { status, headers, bodyBytes, body: await bodyOf(bus, result) }
}

async function bodyOf(bus: Bus, { body, bodyRef, bodyBytes, tooLarge }: CallResult): Promise<Buffer | undefined> {
  if (tooLarge) return undefined
  return bodyRef === undefined ? Buffer.from(body ?? '', 'base64') : getBody(bus, bodyRef, bodyBytes)
}
