/**
 * Waits for changes of the platform: the agent tells of them, where asking again and again would take from it the time
 * that it starts in.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AgentClient } from '../client/index.ts'

const ASK_MS = 20
/** Changes may be missed until the agent tells of them. */
const ASK_ANYWAY_MS = 100

export class PlatformChanges {
  readonly #connect: () => Promise<Pick<AgentClient, 'stream'>>
  readonly #over = new AbortController()
  #listening: Promise<void> | undefined
  #hasChanged = false
  #tell: () => void = () => undefined

  constructor(connect: () => Promise<Pick<AgentClient, 'stream'>>) {
    this.#connect = connect
  }

  /**
   * Resolves at the next change, at once if there was one since the last call, or after a moment.
   * @param isThere whether an agent responds that could tell of them
   */
  async next(isThere: boolean): Promise<void> {
    const wasListening = this.#listening !== undefined
    if (isThere) this.#listening ??= this.#listen()
    if (!this.#hasChanged) {
      const told = new Promise<void>(resolve => (this.#tell = resolve))
      await Promise.race([told, delay(isThere && wasListening ? ASK_ANYWAY_MS : ASK_MS)])
    }
    this.#hasChanged = false
  }

  close(): void {
    this.#over.abort()
  }

  async #listen(): Promise<void> {
    try {
      const client = await this.#connect()
      for await (const { type } of client.stream('events', {}, this.#over.signal)) {
        if (type !== 'platform-changed') continue
        this.#hasChanged = true
        this.#tell()
      }
    } catch {
      // It is asked anyway, and that says why.
    } finally {
      this.#listening = undefined
    }
  }
}
