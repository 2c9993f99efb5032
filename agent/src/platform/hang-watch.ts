/**
 * Detects an agent that runs but does not respond. Only time in which this process itself ran counts, so that a laptop
 * that slept, or an overloaded machine, is not mistaken for a hang.
 */
import { connect } from 'node:net'
import { proveListener, type AgentFile } from '../client/index.ts'

export interface HangWatchOptions {
  /** How long an agent may be silent. */
  hungAfterMs: number
  /** Pause between two probes. */
  askEveryMs?: number
}

/** A longer gap between two checks means that we did not run either. */
const MAX_TICK_MS = 1_000

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

  /** Call it repeatedly. */
  isHung({ agent, token }: { agent: AgentFile; token: string }): boolean {
    const now = performance.now()
    const which = `${agent.pid} ${agent.startedAt} ${agent.url}`
    if (which !== this.#agent) {
      this.#agent = which
      this.#silentMs = 0
    } else {
      this.#silentMs += Math.min(now - this.#lookedAt, MAX_TICK_MS)
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
      return false // Whatever went wrong, there was no proof.
    } finally {
      socket.destroy()
    }
  }
}
