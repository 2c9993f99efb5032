/** Listens to Docker's events. After losing Docker it reconnects and reports a change: anything may have happened. */
import type Docker from 'dockerode'
import type { Readable } from 'node:stream'

const RECONNECT_MS = 500

export class EngineWatch {
  readonly #docker: Docker
  readonly #filters: { label: string[] }
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(docker: Docker, filters: { label: string[] }) {
    this.#docker = docker
    this.#filters = filters
  }

  start(onChange: () => void): void {
    void this.#listen(onChange)
  }

  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#timer)
  }

  async #listen(onChange: () => void): Promise<void> {
    const again = () => {
      if (!this.#abort.signal.aborted) this.#timer = setTimeout(() => void this.#listen(onChange), RECONNECT_MS)
    }
    try {
      const events = (await this.#docker.getEvents({
        filters: { ...this.#filters, type: ['container'], event: ['die', 'oom', 'destroy'] },
        abortSignal: this.#abort.signal,
      })) as Readable
      events
        .on('data', onChange)
        .once('error', () => events.destroy())
        .once('close', again)
      onChange()
    } catch {
      again() // Docker is down; callers that need it now get that error from their own call.
    }
  }
}
