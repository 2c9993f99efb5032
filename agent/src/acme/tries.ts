/**
 * How often it was tried in vain to get a certificate, by domain: on disk, so that a platform that starts over and over
 * asks an authority no more often than one that runs. Invariant: an attempt is written down before it is made.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { backoffMs, readIfPresent, writeDurably } from '../host/index.ts'

/** An authority such as Let's Encrypt takes five failures an hour for a name. */
const AFTER_FAILURE = { firstMs: 5 * 60_000, mostMs: 6 * 3600_000 }
/** What was cut off goes on with the same order, which costs the authority nothing. */
const AFTER_CUT = { firstMs: 1_000, mostMs: 10 * 60_000 }

const Try = z.object({
  /** In a row. */
  failures: z.int().min(0),
  /** Attempts since then whose end nobody saw. */
  cuts: z.int().min(0),
  nextAt: z.number(),
  problem: z.string().optional(),
})
export type Try = z.infer<typeof Try>

export class Tries {
  readonly #file: string
  #tries: ReadonlyMap<string, Try>

  private constructor(file: string, tries: ReadonlyMap<string, Try>) {
    this.#file = file
    this.#tries = tries
  }

  static async open(folder: string): Promise<Tries> {
    const file = join(folder, 'tries.json')
    const text = await readIfPresent(file)
    let tries = {}
    try {
      tries = z.record(z.string(), Try).parse(JSON.parse(text ?? '{}'))
    } catch {
      // They only slow us down.
    }
    return new Tries(file, new Map(Object.entries(tries)))
  }

  of(domain: string): Try | undefined {
    return this.#tries.get(domain)
  }

  async begin(domain: string, now: number): Promise<void> {
    const { failures = 0, cuts = 0, ...before } = this.#tries.get(domain) ?? {}
    await this.#set(domain, {
      ...before,
      failures,
      cuts: cuts + 1,
      nextAt: now + backoffMs(AFTER_CUT, cuts + 1, Math.random()),
    })
  }

  async fail(domain: string, problem: string, now: number): Promise<void> {
    const failures = (this.#tries.get(domain)?.failures ?? 0) + 1
    await this.#set(domain, {
      ...{ failures, cuts: 0, problem },
      nextAt: now + backoffMs(AFTER_FAILURE, failures, Math.random()),
    })
  }

  /** Tries again at once; the count of failures stays. */
  async hurry(domain: string, now: number): Promise<void> {
    const before = this.#tries.get(domain)
    if (before !== undefined) await this.#set(domain, { ...before, nextAt: now })
  }

  /** It worked, or nobody wants it any more. */
  async forget(domains: readonly string[]): Promise<void> {
    if (!domains.some(domain => this.#tries.has(domain))) return
    await this.#write(new Map([...this.#tries].filter(([domain]) => !domains.includes(domain))))
  }

  get domains(): string[] {
    return [...this.#tries.keys()]
  }

  #set(domain: string, next: Try): Promise<void> {
    return this.#write(new Map([...this.#tries, [domain, next]]))
  }

  async #write(tries: ReadonlyMap<string, Try>): Promise<void> {
    await writeDurably(this.#file, JSON.stringify(Object.fromEntries(tries), null, 2))
    this.#tries = tries
  }
}
