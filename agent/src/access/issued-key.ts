/**
 * Keys that the platform issues: those of callers (`ryofaas_…`) and the tokens of people at the agent (`ryotoken_…`), each
 * `<prefix><id><secret><checksum>`, 8 + 32 + 6 letters and digits. The prefix and the checksum let a scanner tell a leaked
 * one from other text; the secret has 190 bits.
 *
 * Invariant: only the hash of a key is kept (`hashOf`).
 */
import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import { ACCESS_TOKEN_PREFIX, hashOf, nearMatch, RyoFaasError, type ErrorCode } from '../contract/index.ts'

const CALLER_KEY_PREFIX = 'ryofaas_'
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 8
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6
const REST = new RegExp(`^[0-9A-Za-z]{${ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH}}$`)

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

export interface IssuedKey {
  /** Nobody can tell it again. */
  key: string
  id: string
  hash: string
}

export function createCallerKey(): IssuedKey {
  return issue(CALLER_KEY_PREFIX)
}

/** Whether it has the form of a key: others are told apart from unknown ones. */
export function isCallerKey(text: string): boolean {
  return hasForm(CALLER_KEY_PREFIX, text)
}

export function createAccessToken(): IssuedKey {
  return issue(ACCESS_TOKEN_PREFIX)
}

export function isAccessToken(text: string): boolean {
  return hasForm(ACCESS_TOKEN_PREFIX, text)
}

/**
 * Finds the one that is to be revoked.
 * @param listedBy the command that shows all
 * @throws RyoFaasError `missing`, with the name that was probably meant; INVALID_REQUEST if several have the name
 */
export function findIssued<T extends { id: string; name: string }>(
  idOrName: string,
  all: readonly T[],
  { what, missing, listedBy }: { what: string; missing: ErrorCode; listedBy: string },
): T {
  const found = all.filter(({ id, name }) => id === idOrName || name === idOrName)
  if (found.length === 1) return found[0]!
  if (found.length > 1) {
    throw new RyoFaasError('INVALID_REQUEST', `${found.length} ${what}s are named "${idOrName}"`, {
      hint: `Revoke one by its id: ${found.map(({ id }) => id).join(', ')}`,
    })
  }
  const near = nearMatch(
    idOrName,
    all.map(({ name }) => name),
  )
  throw new RyoFaasError(missing, `no ${what} has the id or the name "${idOrName}"`, {
    hint: near === undefined ? `${listedBy} shows them.` : `Did you mean "${near}"?`,
  })
}

function issue(prefix: string): IssuedKey {
  const id = randomText(ID_LENGTH)
  const body = prefix + id + randomText(SECRET_LENGTH)
  const key = body + checksumOf(body)
  return { key, id, hash: hashOf(key) }
}

function hasForm(prefix: string, text: string): boolean {
  if (!text.startsWith(prefix) || !REST.test(text.slice(prefix.length))) return false
  return checksumOf(text.slice(0, -CHECKSUM_LENGTH)) === text.slice(-CHECKSUM_LENGTH)
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
