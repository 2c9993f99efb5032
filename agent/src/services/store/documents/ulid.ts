/**
 * Ids of documents that have none: ULIDs (48 bits of time, 80 of chance, Crockford base 32), so that documents sort by
 * their creation. Invariant: within one source each id is greater than the one before, whatever the clock does.
 */
import { randomBytes } from 'node:crypto'

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** Two digits each, so that an id takes few steps. */
const PAIRS = Array.from({ length: 1024 }, (_, value) => DIGITS[value >> 5]! + DIGITS[value & 31]!)
/** Four pairs count up within a millisecond; they start below this, which leaves room for as many steps. */
const COUNTER_START = 2 ** 39
const CHANCE_BYTES = 10

export class UlidSource {
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
