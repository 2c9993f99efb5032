/**
 * Keys of callers: `ryofaas_<id><secret><checksum>`, 8 + 32 + 6 letters and digits. The prefix and the checksum let a
 * scanner tell a leaked one from other text; the secret has 190 bits.
 *
 * Invariant: only the hash of a key is kept. It needs no salt and no slow function, because nobody can guess the key.
 */
import { hash, randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { z } from 'zod'

const PREFIX = 'ryofaas_'
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6
const FORM = new RegExp(`^${PREFIX}[0-9A-Za-z]{${ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}$`)

/** What is kept of a key. */
export const CallerKey = z.object({
  id: z.string().min(1),
  /** As its owner calls it. */
  name: z.string().min(1),
  hash: z.string().min(1),
  /** Routes of the functions that it opens; absent: all that take keys. */
  functions: z.array(z.string()).optional(),
  /** Whether it lets events in. */
  events: z.literal(true).optional(),
  /** ISO time. */
  expiresAt: z.string().optional(),
})
export type CallerKey = z.infer<typeof CallerKey>

/** @returns the key, which nobody can tell again, and what is kept of it */
export function createCallerKey(): { key: string; id: string; hash: string } {
  const id = randomText(ID_LENGTH)
  const body = PREFIX + id + randomText(SECRET_LENGTH)
  const key = body + checksumOf(body)
  return { key, id, hash: hashOf(key) }
}

/** Whether it has the form of a key: others are told apart from unknown ones. */
export function isCallerKey(text: string): boolean {
  return FORM.test(text) && checksumOf(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH)
}

export function hashOf(key: string): string {
  return hash('sha256', key, 'base64url')
}

function randomText(length: number): string {
  return Array.from({ length }, () => DIGITS[randomInt(DIGITS.length)]).join('')
}

function checksumOf(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let i = 0; i < CHECKSUM_LENGTH; i += 1) {
    digits = DIGITS[rest % DIGITS.length]! + digits
    rest = Math.floor(rest / DIGITS.length)
  }
  return digits
}
