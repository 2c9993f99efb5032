/**
 * Keeps a certificate for every domain that is wanted: gets the first one, and the next when a third of its life is left.
 *
 * Invariants: 1. Only names that deployments or options ask for are ever brought before the authority; what clients name
 * is not looked at. 2. One attempt at a time, at most `MAX_ORDERS_PER_HOUR`, and after a failure of a name the next one
 * waits longer (`Tries`). 3. A certificate is one file with its key, replaced as a whole: whoever is killed leaves the
 * earlier one or the new one.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readIfPresent, writeDurably } from '../host/index.ts'
import { removeOldAnswers, type ChallengeKind } from './answers.ts'
import type { AuthorityOptions } from './authority.ts'
import { Tries } from './tries.ts'

export interface AcmeOptions {
  authority: Omit<AuthorityOptions, 'folder'>
  /** Of this authority: its account, orders and certificates. */
  folder: string
  /** By which the name can be shown to lead here, the preferred one first; after a failure another one is tried. */
  kinds: readonly [ChallengeKind, ...ChallengeKind[]]
  /** Names that want one now. */
  wanted: () => readonly string[]
  onChange: () => void
  log: { info(message: string): void; warn(message: string): void }
}

export interface AcmeView {
  domain: string
  validTo?: Date
  /** Why there is no newer one, and when it is tried again. */
  problem?: string
  nextTryAt?: Date
}

const MAX_ORDERS_PER_HOUR = 80
const HOUR_MS = 3600_000
/** The clock of the machine may change. */
const MAX_SLEEP_MS = HOUR_MS
const MIN_SLEEP_MS = 200

interface Life {
  from: number
  to: number
  renewAt: number
}

export class AcmeCertificates {
  readonly #options: AcmeOptions
  readonly #tries: Tries
  readonly #lives = new Map<string, Life>()
  #orderedAt: number[] = []
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #isClosed = false

  private constructor(options: AcmeOptions, tries: Tries) {
    this.#options = options
    this.#tries = tries
  }

  /** Where the certificates of an authority's folder are. */
  static folderIn(folder: string): string {
    return join(folder, 'certificates')
  }

  /** Begins to look after them. */
  static async open(options: AcmeOptions): Promise<AcmeCertificates> {
    await removeOldAnswers(options.authority.answers)
    const opened = new AcmeCertificates(options, await Tries.open(options.folder))
    await opened.#readLives()
    opened.check()
    return opened
  }

  /** Looks now at what is wanted: something was deployed, or the clock says so. */
  check(): void {
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    this.#running ??= this.#work()
      .catch((error: Error) => this.#options.log.warn(`certificates: ${error.message}`))
      .finally(() => {
        this.#running = undefined
        this.#sleep()
      })
  }

  /** @returns whether there is anything to try for this name */
  async tryNow(domain: string): Promise<boolean> {
    if (this.#tries.of(domain) === undefined) return false
    await this.#tries.hurry(domain, Date.now())
    this.check()
    return true
  }

  get views(): AcmeView[] {
    return this.#options.wanted().map(domain => {
      const life = this.#lives.get(domain)
      const tried = this.#tries.of(domain)
      return {
        domain,
        ...(life && { validTo: new Date(life.to) }),
        ...(tried?.problem !== undefined && { problem: tried.problem, nextTryAt: new Date(tried.nextAt) }),
      }
    })
  }

  /** An attempt that is under way goes on at the next start. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  async #work(): Promise<void> {
    await this.#removeUnwanted()
    for (;;) {
      const now = Date.now()
      const domain = this.#options.wanted().find(each => this.#dueAt(each) <= now)
      if (domain === undefined || this.#isClosed || this.#freeAt(now) > now) return
      this.#orderedAt.push(now)
      await this.#attempt(domain)
    }
  }

  async #attempt(domain: string): Promise<void> {
    const { kinds, authority: about, folder, log, onChange } = this.#options
    const kind = kinds[(this.#tries.of(domain)?.failures ?? 0) % kinds.length]!
    await this.#tries.begin(domain, Date.now())
    try {
      const { Authority } = await import('./authority.ts')
      const life = await Authority.with({ ...about, folder }, async authority => {
        const pem = await authority.certificateFor(domain, kind)
        await writeDurably(this.#fileOf(domain), pem)
        await authority.forgetOrder(domain)
        return lifeOf(pem)
      })
      this.#lives.set(domain, life)
      await this.#tries.forget([domain])
      log.info(`certificate for ${domain}, valid until ${new Date(life.to).toISOString()}`)
    } catch (error) {
      const problem = `${kind}: ${messageOf(error)}`
      await this.#tries.fail(domain, problem, Date.now())
      const again = new Date(this.#tries.of(domain)!.nextAt).toISOString()
      log.warn(`no certificate for ${domain}; next attempt at ${again}: ${problem} (${folder})`)
    }
    onChange()
  }

  #dueAt(domain: string): number {
    return Math.max(this.#lives.get(domain)?.renewAt ?? 0, this.#tries.of(domain)?.nextAt ?? 0)
  }

  /** When another order may be placed. */
  #freeAt(now: number): number {
    this.#orderedAt = this.#orderedAt.filter(at => at > now - HOUR_MS)
    return this.#orderedAt.length < MAX_ORDERS_PER_HOUR ? now : this.#orderedAt[0]! + HOUR_MS
  }

  #sleep(): void {
    if (this.#isClosed) return
    const now = Date.now()
    const next = Math.max(this.#freeAt(now), Math.min(...this.#options.wanted().map(domain => this.#dueAt(domain))))
    const ms = Math.min(MAX_SLEEP_MS, Math.max(MIN_SLEEP_MS, next - now))
    this.#timer = setTimeout(() => this.check(), ms).unref()
  }

  async #readLives(): Promise<void> {
    const folder = AcmeCertificates.folderIn(this.#options.folder)
    for (const name of await readdir(folder).catch((): string[] => [])) {
      const domain = /^(.+)\.pem$/.exec(name)?.[1]
      const pem = domain === undefined ? undefined : await readIfPresent(join(folder, name))
      try {
        if (pem !== undefined) this.#lives.set(domain!, lifeOf(pem))
      } catch (error) {
        this.#options.log.warn(`${join(folder, name)} cannot be used, a new one is asked for: ${messageOf(error)}`)
      }
    }
  }

  /** One that nobody asks for any more is served as long as it is good. */
  async #removeUnwanted(): Promise<void> {
    const wanted = new Set(this.#options.wanted())
    for (const [domain, { to }] of this.#lives) {
      if (wanted.has(domain) || to > Date.now()) continue
      await rm(this.#fileOf(domain), { force: true })
      this.#lives.delete(domain)
    }
    // Those that failed stay: taking a name away and adding it again is no way around the wait.
    const over = this.#tries.domains.filter(
      domain => !wanted.has(domain) && this.#tries.of(domain)!.nextAt < Date.now(),
    )
    await this.#tries.forget(over)
  }

  #fileOf(domain: string): string {
    return join(AcmeCertificates.folderIn(this.#options.folder), `${domain}.pem`)
  }
}

/**
 * Renewed at a third of its life, up to a thirtieth earlier: those that were issued together are not renewed together.
 * The same certificate always at the same time, also after a restart.
 */
export function lifeOf(pem: string): Life {
  const { validFrom, validTo, fingerprint256 } = new X509Certificate(pem)
  const [from, to] = [Date.parse(validFrom), Date.parse(validTo)]
  const share = createHash('sha256').update(fingerprint256).digest().readUInt32BE(0) / 2 ** 32
  const ms = to - from
  return { from, to, renewAt: to - ms / 3 - (share * ms) / 30 }
}

function messageOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException
  return message || code || 'failed'
}
