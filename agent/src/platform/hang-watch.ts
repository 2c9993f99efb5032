/**
 * Notices an agent that runs and does not answer. Only time in which this process ran itself counts, so that a laptop
 * that slept, or a machine that did not get round to anything, is not taken for a hang.
 */
import { connect } from 'node:net'
import { proveListener, type AgentFile } from '../client/index.ts'

export interface HangWatchOptions {
  /** So long an agent may be silent. */
  hungAfterMs: number
  /** Pause after an answer before the next question. */
  askEveryMs?: number
}

/** More than that between two looks, and we did not run either. */
const LONGEST_TICK_MS = 1_000

export class HangWatch {
  readonly #options: Required<HangWatchOptions>
  #agent = ''
  #lookedAt = performance.now()
  #silentMs = 0
  #askedAt = -Infinity
  #isAsking = false

  constructor({ hungAfterMs, askEveryMs = 5_000 }: HangWatchOptions) {
    this.#options = { hungAfterMs, askEveryMs }
  }

  /** To be called again and again. */
  isHung({ agent, token }: { agent: AgentFile; token: string }): boolean {
    const now = performance.now()
    const which = `${agent.pid} ${agent.startedAt} ${agent.url}`
    if (which !== this.#agent) {
      this.#agent = which
      this.#silentMs = 0
    } else {
      this.#silentMs += Math.min(now - this.#lookedAt, LONGEST_TICK_MS)
    }
    this.#lookedAt = now
    if (!this.#isAsking && now - this.#askedAt > this.#options.askEveryMs) {
      this.#isAsking = true
      this.#askedAt = now
      void this.#ask(agent.url, token).then(answered => {
        this.#isAsking = false
        if (answered && this.#agent === which) this.#silentMs = 0
      })
    }
    return this.#silentMs > this.#options.hungAfterMs
  }

  async #ask(url: string, token: string): Promise<boolean> {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port) })
    try {
      await proveListener(socket, { token, port: Number(port), patienceMs: this.#options.hungAfterMs })
      return true
    } catch {
      return false // Whatever it is, it is not an answer.
    } finally {
      socket.destroy()
    }
  }
}
