/**
 * ULIDs (https://github.com/ulid/spec): 48 bits of milliseconds and 80 of chance in Crockford's base 32, here upper case.
 * They sort by time. What is written with them lasts, so neither digits nor their order may change.
 */
import { randomBytes } from 'node:crypto'

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Two digits each, so that an id takes few steps. */
const PAIRS = Array.from({ length: 1024 }, (_, value) => DIGITS[value >> 5]! + DIGITS[value & 31]!)
const TIME_DIGITS = 10
/** Four pairs count up within a millisecond; they start below this, which leaves room for as many steps. */
const COUNTER_START = 2 ** 39
const CHANCE_BYTES = 10

/** Bytes that `ulidOf` reads, five bits of each. */
export const ULID_CHANCE_BYTES = 16

/** @param time milliseconds since the epoch */
export function ulidOf(time: number, chance: Uint8Array): string {
  let ulid = encodeTime(time)
  for (let i = 0; i < ULID_CHANCE_BYTES; i += 1) ulid += DIGITS[chance[i]! & 31]!
  return ulid
}

/** Milliseconds since the epoch, of a text that begins with a ULID. */
export function timeOfUlid(text: string): number {
  let time = 0
  for (let i = 0; i < TIME_DIGITS; i += 1) time = time * 32 + DIGITS.indexOf(text[i]!)
  return time
}

/** Ids that can be guessed from those before: each of a source is greater than the last, whatever the clock does. */
export class GrowingUlids {
  #time = 0
  #head = ''
  #counter = 0

  next(now = Date.now()): string {
    if (now > this.#time) {
      this.#time = now
      const chance = randomBytes(CHANCE_BYTES)
      this.#head = encodeTime(now) + encodePairs(chance.readUIntBE(0, 5))
      this.#counter = chance.readUIntBE(5, 5) % COUNTER_START
    } else {
      this.#counter += 1
    }
    return this.#head + encodePairs(this.#counter)
  }
}

/** 40 bits. */
function encodePairs(value: number): string {
  const high = Math.floor(value / 2 ** 20)
  const low = value % 2 ** 20
  return PAIRS[high >> 10]! + PAIRS[high & 1023]! + PAIRS[low >> 10]! + PAIRS[low & 1023]!
}

function encodeTime(ms: number): string {
  const high = Math.floor(ms / 2 ** 30)
  const low = ms % 2 ** 30
  return (
    PAIRS[high >> 10]! + PAIRS[high & 1023]! + PAIRS[low >>> 20]! + PAIRS[(low >>> 10) & 1023]! + PAIRS[low & 1023]!
  )
}
