/** Removes request bodies that no call needs: of dead letters that expired, and of accepts that were killed halfway. */
import {
  type Bus,
  callIdOfSubject,
  lastMessage,
  STREAMS,
  subjectOf,
  subjectsIn,
  subjectsOf,
  timeOfCallId,
} from '../bus/index.ts'
import { removeBody } from './bodies.ts'

/** A younger body may belong to a call that is about to be written. */
const LEAST_AGE_MS = 3_600_000

/**
 * @returns how many were removed.
 * @throws BusError UNAVAILABLE
 */
export async function sweepBodies(bus: Bus, now = Date.now()): Promise<number> {
  // There are few: each fills at least one piece of half a mebibyte.
  const references = await subjectsIn(bus, STREAMS.bodies, `${subjectsOf('body')}.*`)
  let removed = 0
  for (const reference of references) {
    const callId = callIdOfSubject(reference)
    if (now - timeOfCallId(callId) < LEAST_AGE_MS) continue
    if ((await lastMessage(bus, STREAMS.calls, subjectOf('call', callId))) !== undefined) continue
    if ((await lastMessage(bus, STREAMS.dead, subjectOf('dead', callId))) !== undefined) continue
    await removeBody(bus, reference)
    removed += 1
  }
  return removed
}
