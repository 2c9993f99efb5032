/**
 * Ids of calls: `<ulid>-<route>`. The function is known from the id, and ids sort by time of acceptance.
 *
 * A ULID (https://github.com/ulid/spec) is 48 bits of milliseconds and 80 of chance in Crockford's base 32, here upper
 * case. All 80 are drawn for each id, so that who knows one cannot guess the next: the id of an accepted call is what
 * opens it to its caller. Ids of one millisecond are in no order.
 */
import { createHash, randomFillSync } from 'node:crypto'

export interface CallIdParts {
  ulid: string
  /** Name of the function in lower case. */
  route: string
}

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CALL_ID = /^([0-7][0-9A-HJKMNP-TV-Z]{25})-([a-z0-9][a-z0-9_-]{0,62})$/
const TIME_DIGITS = 10
const RANDOM_DIGITS = 16

export class CallIdSource {
  private readonly now: () => number
  private readonly random = Buffer.alloc(RANDOM_DIGITS)
  private time = -1

  constructor(now: () => number = Date.now) {
    this.now = now
  }

  /** @param route lower case */
  next(route: string): string {
    // A clock that was set back makes no older ids.
    this.time = Math.max(this.time, this.now())
    randomFillSync(this.random)
    let ulid = base32(this.time)
    for (let i = 0; i < RANDOM_DIGITS; i += 1) ulid += ALPHABET[this.random[i]! & 31]
    return `${ulid}-${route}`
  }
}

/**
 * The id of a call that is not accepted but follows from something else: the same cause gives the same id.
 * @param time milliseconds since the epoch
 */
export function derivedCallId(route: string, time: number, cause: string): string {
  const digest = createHash('sha256').update(cause).digest()
  let ulid = base32(time)
  for (let i = 0; i < RANDOM_DIGITS; i += 1) ulid += ALPHABET[digest[i]! & 31]
  return `${ulid}-${route}`
}

export function parseCallId(id: string): CallIdParts | undefined {
  const match = CALL_ID.exec(id)
  return match === null ? undefined : { ulid: match[1]!, route: match[2]! }
}

/** Milliseconds since the epoch at which the id was made. */
export function timeOfCallId(id: string): number {
  let time = 0
  for (let i = 0; i < TIME_DIGITS; i += 1) time = time * 32 + ALPHABET.indexOf(id[i]!)
  return time
}

function base32(time: number): string {
  let text = ''
  for (let rest = time, i = 0; i < TIME_DIGITS; i += 1, rest = Math.floor(rest / 32)) text = ALPHABET[rest % 32]! + text
  return text
}
