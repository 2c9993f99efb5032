/**
 * Keeps parts running: starts them, and restarts dead ones with backoff. Parts outlive the supervisor; `close` only stops
 * watching.
 */
import { EventEmitter } from 'node:events'
import type { PartView } from '../contract/index.ts'
import { RyoFaasError } from '../contract/index.ts'
import { Backoff } from './backoff.ts'
import type { Part, RunningPart } from './part.ts'

interface Watched {
  part: Part
  state: PartView['state']
  running?: RunningPart
  /** While it is being started. */
  ensuring?: Promise<RunningPart>
  restarts: number
  note?: string
}

export class Supervisor {
  readonly events = new EventEmitter<{
    changed: [name: PartView['name']]
    /** It could not be started again; it is tried further. */
    failed: [name: PartView['name'], error: RyoFaasError]
  }>()
  readonly #watched: Watched[] = []
  #closed = false

  /** Resolves when the part runs for the first time, and keeps it running from then on. Throws if it cannot start. */
  async start(part: Part): Promise<RunningPart> {
    const watched: Watched = { part, state: 'starting', restarts: 0 }
    this.#watched.push(watched)
    try {
      const running = await this.#ensure(watched)
      this.#up(watched, running)
      void this.#keep(watched, running)
      return running
    } catch (error) {
      watched.state = 'failing'
      throw error
    }
  }

  views(): PartView[] {
    return this.#watched.map(({ part, state, running, restarts, note }) => ({
      name: part.name,
      state,
      restarts,
      ...(running?.address !== undefined && { address: running.address }),
      ...(running?.pid !== undefined && { pid: running.pid }),
      ...((note ?? running?.note) !== undefined && { note: note ?? running!.note! }),
    }))
  }

  /** Ends a part. From the first one on nothing is restarted. */
  async stop(part: Part): Promise<void> {
    this.close()
    // A part stopped while starting would still come up.
    await this.#watched.find(watched => watched.part === part)?.ensuring?.catch(() => undefined)
    await part.stop()
  }

  close(): void {
    this.#closed = true
  }

  async #keep(watched: Watched, first: RunningPart): Promise<void> {
    const backoff = new Backoff()
    let running: RunningPart | undefined = first
    backoff.started(performance.now())
    while (!this.#closed) {
      if (running) {
        await running.gone
        if (this.#closed) return
        watched.restarts++
        watched.state = 'starting'
        backoff.died(performance.now())
        this.events.emit('changed', watched.part.name)
      }
      await sleepUntil(backoff.nextStart(performance.now()))
      if (this.#closed) return
      backoff.started(performance.now())
      try {
        running = await this.#ensure(watched)
        this.#up(watched, running)
      } catch (error) {
        running = undefined
        backoff.died(performance.now())
        watched.state = 'failing'
        watched.note = (error as Error).message
        this.events.emit('failed', watched.part.name, RyoFaasError.from(error, 'PART_FAILED'))
      }
    }
  }

  async #ensure(watched: Watched): Promise<RunningPart> {
    watched.ensuring = watched.part.ensure()
    try {
      return await watched.ensuring
    } finally {
      delete watched.ensuring
    }
  }

  #up(watched: Watched, running: RunningPart): void {
    watched.running = running
    watched.state = 'running'
    delete watched.note
    this.events.emit('changed', watched.part.name)
  }
}

function sleepUntil(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, Math.max(0, time - performance.now())).unref())
}
