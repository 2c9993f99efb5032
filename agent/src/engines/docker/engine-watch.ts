/** Listens to Docker's events. After losing Docker it reconnects and says so: anything may have happened. */
import type Docker from 'dockerode'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const RECONNECT_MS = 500

interface DockerEvent {
  Action?: string
  /** The container. */
  Actor?: { ID?: string }
}

export interface WatchListener {
  onConnected(): void
  onEvent(event: DockerEvent): void
}

export class EngineWatch {
  readonly #docker: Docker
  readonly #filters: { label: string[] }
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined

  constructor(docker: Docker, filters: { label: string[] }) {
    this.#docker = docker
    this.#filters = filters
  }

  start(listener: WatchListener): void {
    void this.#listen(listener)
  }

  stop(): void {
    this.#abort.abort()
    clearTimeout(this.#timer)
  }

  async #listen(listener: WatchListener): Promise<void> {
    const again = () => {
      if (!this.#abort.signal.aborted) this.#timer = setTimeout(() => void this.#listen(listener), RECONNECT_MS)
    }
    try {
      const events = (await this.#docker.getEvents({
        filters: { ...this.#filters, type: ['container'], event: ['die', 'oom', 'destroy', 'pause', 'unpause'] },
        abortSignal: this.#abort.signal,
      })) as Readable
      events.once('error', () => events.destroy()).once('close', again)
      createInterface({ input: events })
        .on('line', line => listener.onEvent(JSON.parse(line) as DockerEvent))
        // It passes on what its input reports.
        .on('error', () => undefined)
      listener.onConnected()
    } catch {
      again() // Docker is down; callers that need it now get that error from their own call.
    }
  }
}
