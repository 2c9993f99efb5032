/**
 * Who is signed in at the dashboard. Invariants: 1. A session is as good as its token: what is revoked, has expired or is
 * unknown opens nothing, at once. 2. Only the hash of a session's id is kept, and only in memory: an agent that starts
 * again asks everybody to sign in. 3. Each address has `MAX_FAILURES` attempts in `WINDOW_MS`, all together more.
 */
import { randomBytes } from 'node:crypto'
import { hashOf, RyoFaasError, type TokenView } from '../contract/index.ts'

export const SESSION_MS = 12 * 3600_000
const MAX_SESSIONS = 1_000
const WINDOW_MS = 10 * 60_000
const MAX_FAILURES = 10
const MAX_FAILURES_OF_ALL = 1_000

interface Session {
  token: string
  endsAt: number
}

/** Finds whose token it is. @throws RyoFaasError UNAUTHORIZED */
type Identify = (token: string) => TokenView

export class Sessions {
  readonly #identify: Identify
  readonly #sessions = new Map<string, Session>()
  #failures: { address: string; at: number }[] = []

  constructor(identify: Identify) {
    this.#identify = identify
  }

  /**
   * @returns id of a new session
   * @throws RyoFaasError UNAUTHORIZED, TOO_MANY_ATTEMPTS
   */
  signIn(token: string, address: string, now = Date.now()): string {
    this.#failures = this.#failures.filter(({ at }) => at > now - WINDOW_MS)
    const own = this.#failures.filter(failure => failure.address === address).length
    if (own >= MAX_FAILURES || this.#failures.length >= MAX_FAILURES_OF_ALL) {
      throw new RyoFaasError('TOO_MANY_ATTEMPTS', 'too many attempts to sign in', { hint: 'Try again in ten minutes.' })
    }
    try {
      this.#identify(token)
    } catch (error) {
      this.#failures.push({ address, at: now })
      throw error
    }
    const id = randomBytes(32).toString('base64url')
    // The oldest one comes first.
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size < MAX_SESSIONS) break
      this.#sessions.delete(oldest)
    }
    this.#sessions.set(hashOf(id), { token, endsAt: now + SESSION_MS })
    return id
  }

  /** @returns undefined if nobody is signed in, or not any more */
  of(id: string, now = Date.now()): TokenView | undefined {
    const session = this.#sessions.get(hashOf(id))
    if (session === undefined || session.endsAt <= now) return undefined
    try {
      return this.#identify(session.token)
    } catch {
      this.#sessions.delete(hashOf(id))
      return undefined
    }
  }

  signOut(id: string): void {
    this.#sessions.delete(hashOf(id))
  }
}
