/**
 * The engine of an agent that stands by, made and prepared ahead: when it leads, nothing has to wait until that engine
 * answers, which it may not for a while, if the machine that died ran a part of it too. What was prepared is kept up to
 * date, because machines come and go.
 *
 * Only an engine that the user named, and whose instances the agents share: any other begins empty.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  AUTO,
  chooseEngine,
  type Engine,
  type EngineChoice,
  type EngineType,
  type Prepared,
} from '../../engines/index.ts'

const REFRESH_MS = 10_000
const AGAIN_MS = 2_000

export interface PreparedEngine {
  engine: Engine
  prepared: Prepared
}

export interface EngineAheadOptions {
  choice: Omit<EngineChoice, 'runsOn'>
  log: { info(details: object, message: string): void }
  registry?: readonly EngineType[]
  refreshMs?: number
  /** After a failure. */
  againMs?: number
}

export class EngineAhead {
  readonly #options: EngineAheadOptions
  readonly #abort = new AbortController()
  #engine: Engine | undefined
  #prepared: Prepared | undefined
  #isTaken = false

  private constructor(options: EngineAheadOptions) {
    this.#options = options
  }

  /** Prepares it, and again every few seconds, until it is taken or closed. */
  static start(options: EngineAheadOptions): EngineAhead {
    const ahead = new EngineAhead(options)
    if (options.choice.engine !== AUTO) void ahead.#run()
    return ahead
  }

  /** @returns as it was prepared last; undefined if it never was */
  async take(): Promise<PreparedEngine | undefined> {
    if (this.#engine === undefined || this.#prepared === undefined) {
      await this.close()
      return undefined
    }
    this.#abort.abort()
    this.#isTaken = true
    return { engine: this.#engine, prepared: this.#prepared }
  }

  async close(): Promise<void> {
    this.#abort.abort()
    if (!this.#isTaken) await this.#engine?.close()
  }

  async #run(): Promise<void> {
    const { refreshMs = REFRESH_MS, againMs = AGAIN_MS, log } = this.#options
    const { signal } = this.#abort
    let isWell = true
    while (!signal.aborted) {
      let isPrepared = false
      try {
        isPrepared = await this.#prepare()
        if (!isPrepared) return
        isWell = true
      } catch (error) {
        if (isWell) log.info({ err: error }, 'the engine cannot be prepared ahead at the moment')
        isWell = false
      }
      await delay(isPrepared ? refreshMs : againMs, undefined, { signal }).catch(() => undefined)
    }
  }

  /** @returns whether there is anything to be prepared */
  async #prepare(): Promise<boolean> {
    const { choice, registry } = this.#options
    if (this.#engine === undefined) {
      const engine = await chooseEngine({ ...choice, runsOn: undefined }, registry)
      if (engine.isShared !== true || this.#abort.signal.aborted) {
        await engine.close()
        return false
      }
      this.#engine = engine
    }
    this.#prepared = await this.#engine.prepare(() => undefined)
    return true
  }
}
