/**
 * How an agent that begins comes to know what runs: it asks the engine until that answers, however long it takes.
 *
 * Invariants: 1. Until all that serve are known, nothing is published but what the agent before published last, whole
 * (`goOn`): a table of some of them would take the rest away from callers. 2. Until then nothing is started, stopped or
 * changed: who wants that waits for a bounded time, and is told why (`known`).
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError } from '../contract/index.ts'
import type { Engine } from '../engines/index.ts'
import { backoffMs } from '../host/index.ts'

const AGAIN = { firstMs: 100, mostMs: 1_000 }
const ANSWER_MS = 30_000
/** What is asked of the platform meanwhile waits for so long. */
const WAIT_MS = 30_000
/** Less than clients take for silence. */
const LEAD_WAIT_MS = 3_000
const HELD_POLL_MS = 100

export interface AdoptionOptions {
  engine: Pick<Engine, 'instances' | 'silence'>
  /** The engine answers: adopts what runs. @param onKnown to be called once all that serve are known */
  adopt: (onKnown: () => void) => Promise<void>
  /** The engine does not answer: from here on all goes on as it was before. Called once, and not waited for. */
  goOn: () => void
  /** How long the engine may be silent before that. */
  patienceMs: number
  /** What is waited for is another thing now. */
  onChange: () => void
  log: { warn(details: object, message: string): void }
  /** How long what is asked meanwhile waits. */
  waitMs?: number
  /** Of several agents: whether this one leads at this moment. */
  isHeld?: (() => boolean) | undefined
}

export class Adoption {
  readonly #options: AdoptionOptions
  readonly #abort = new AbortController()
  readonly #known: Promise<void>
  #know!: () => void
  #isKnown = false
  #why: RyoFaasError | undefined

  constructor(options: AdoptionOptions) {
    this.#options = options
    this.#known = new Promise(resolve => {
      this.#know = () => {
        this.#isKnown = true
        resolve()
        if (this.#why !== undefined) options.onChange()
      }
    })
  }

  /** Why nothing can be started, stopped or changed yet. */
  get waitsFor(): string | undefined {
    return this.#isKnown ? undefined : this.#why?.message
  }

  /** Resolves when all is adopted or, if the engine does not answer, all goes on as before; it is adopted later then. */
  begin(): Promise<void> {
    const { log, patienceMs, goOn } = this.#options
    return new Promise((resolve, reject) => {
      let isLate = false
      const onSilence = () => {
        if (isLate) return
        isLate = true
        goOn()
        resolve()
      }
      this.#adopt(patienceMs, onSilence).then(resolve, (error: Error) => {
        if (isLate) log.warn({ err: error }, 'adopting failed')
        reject(error)
      })
    })
  }

  /** Resolves once what runs is known. @throws RyoFaasError why that takes longer */
  async known(): Promise<void> {
    if (this.#isKnown) return
    const over = new AbortController()
    const { waitMs = WAIT_MS } = this.#options
    await Promise.race([this.#known, delay(waitMs, undefined, { signal: over.signal }).catch(() => undefined)])
    over.abort()
    if (this.#isKnown) return
    const { code, message, hint } = this.#why ?? this.#noAnswer()
    throw new RyoFaasError(code, `functions cannot be started, stopped or changed yet: ${message}`, {
      hint: hint ?? 'What runs goes on. Try again in a moment.',
    })
  }

  /**
   * Resolves once something may be changed.
   * @throws RyoFaasError NOT_LEADING if it may not in time; or why what runs is not known
   */
  async mayChange(): Promise<void> {
    await this.known()
    const { waitMs = WAIT_MS, isHeld = () => true } = this.#options
    const deadline = performance.now() + Math.min(waitMs, LEAD_WAIT_MS)
    while (!isHeld()) {
      if (performance.now() > deadline) {
        throw new RyoFaasError('NOT_LEADING', 'no agent can lead while NATS does not respond', {
          hint: 'What runs goes on. Try again in a moment.',
        })
      }
      await delay(HELD_POLL_MS)
    }
  }

  close(): void {
    this.#abort.abort()
  }

  async #adopt(patienceMs: number, onSilence: () => void): Promise<void> {
    const { adopt, log } = this.#options
    const { signal } = this.#abort
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        await this.#ask(failures === 1 ? patienceMs : ANSWER_MS)
        await adopt(() => this.#know())
        return
      } catch (error) {
        if (this.#isKnown) throw error
        if (signal.aborted) return
        if (this.#wait(RyoFaasError.from(error, 'ENGINE_FAILED')))
          log.warn({ err: error as Error }, 'the engine is waited for')
        onSilence()
        await delay(backoffMs(AGAIN, failures), undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #ask(answerMs: number): Promise<void> {
    const over = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(answerMs)])
    const silence = new Promise<never>((_, reject) => {
      over.addEventListener('abort', () => reject(this.#noAnswer()), { once: true })
    })
    await Promise.race([this.#options.engine.instances(), silence])
  }

  #noAnswer(): RyoFaasError {
    return this.#options.engine.silence?.() ?? new RyoFaasError('ENGINE_FAILED', 'the engine does not say what runs')
  }

  /** @returns whether that is news */
  #wait(why: RyoFaasError): boolean {
    const isNews = this.#why?.message !== why.message
    this.#why = why
    if (isNews) this.#options.onChange()
    return isNews
  }
}
