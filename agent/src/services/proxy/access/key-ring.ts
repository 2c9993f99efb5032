/**
 * The keys of callers that this proxy knows. Invariants: 1. A key that is not in the newest table lets nobody in. 2. A
 * key is looked up by its hash, so that the time of a look-up tells nothing about other keys. 3. A key that was accepted
 * is remembered, a refused one is not.
 */
import type { Caller } from '@ryo-faas/runtime'
import { hashOf, isCallerKey, type CallerKey } from '../../../access/index.ts'

export interface KnownKey {
  key: CallerKey
  caller: Caller
  /** Milliseconds since 1970; Infinity without an end. */
  expiresAt: number
  functions: ReadonlySet<string> | undefined
  /** When it last let somebody in; 0: not since this process started. */
  usedAt: number
}

const REMEMBERED = 10_000

export class KeyRing {
  #byHash = new Map<string, KnownKey>()
  #accepted = new Map<string, KnownKey>()

  /** Takes the place of all keys so far. */
  replace(keys: readonly CallerKey[]): void {
    const before = this.#byHash
    this.#accepted = new Map()
    this.#byHash = new Map(
      keys.map(key => {
        const { id, name, hash, functions, expiresAt } = key
        const known: KnownKey = {
          key,
          caller: { kind: 'key', id, name },
          expiresAt: expiresAt === undefined ? Infinity : Date.parse(expiresAt),
          functions: functions && new Set(functions),
          usedAt: before.get(hash)?.usedAt ?? 0,
        }
        return [hash, known]
      }),
    )
  }

  find(text: string): KnownKey | undefined {
    const known = this.#accepted.get(text)
    if (known !== undefined) return known
    const found = isCallerKey(text) ? this.#byHash.get(hashOf(text)) : undefined
    if (found === undefined) return undefined
    if (this.#accepted.size >= REMEMBERED) this.#accepted.clear()
    this.#accepted.set(text, found)
    return found
  }

  /** When each was last used, by its id. */
  uses(): Record<string, number> {
    const used = [...this.#byHash.values()].filter(({ usedAt }) => usedAt > 0)
    return Object.fromEntries(used.map(({ key, usedAt }) => [key.id, usedAt]))
  }
}
