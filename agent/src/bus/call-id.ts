/**
 * Ids of calls: `<ulid>-<route>`. The function is known from the id, and ids sort by time of acceptance.
 *
 * All chance of a ULID is drawn for each id, so that who knows one cannot guess the next: the id of an accepted call is
 * what opens it to its caller. Ids of one millisecond are in no order.
 */
import { createHash, randomFillSync } from 'node:crypto'
import { timeOfUlid, ulidOf, ULID_CHANCE_BYTES } from '../host/index.ts'

export interface CallIdParts {
  ulid: string
  /** Name of the function in lower case. */
  route: string
}

const CALL_ID = /^([0-7][0-9A-HJKMNP-TV-Z]{25})-([a-z0-9][a-z0-9_-]{0,62})$/

export class CallIdSource {
  private readonly now: () => number
  private readonly random = Buffer.alloc(ULID_CHANCE_BYTES)
  private time = -1

  constructor(now: () => number = Date.now) {
    this.now = now
  }

  /** @param route lower case */
  next(route: string): string {
    // Ids do not get older when the clock is set back.
    this.time = Math.max(this.time, this.now())
    randomFillSync(this.random)
    return `${ulidOf(this.time, this.random)}-${route}`
  }
}

/**
 * The id of a call that is not accepted from a caller but has another cause: the same cause gives the same id.
 * @param time milliseconds since the epoch
 */
export function derivedCallId(route: string, time: number, cause: string): string {
  return `${ulidOf(time, createHash('sha256').update(cause).digest())}-${route}`
}

export function parseCallId(id: string): CallIdParts | undefined {
  const match = CALL_ID.exec(id)
  return match === null ? undefined : { ulid: match[1]!, route: match[2]! }
}

/** Milliseconds since the epoch at which the id was made. */
export function timeOfCallId(id: string): number {
  return timeOfUlid(id)
}
