/**
 * Keeps parts running: starts them in the order given, restarts dead ones with backoff, stops them in reverse order.
 * Parts outlive the supervisor; `close` only stops watching.
 */
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
  readonly #watched: Watched[] = []
  readonly #onChange: (name: PartView['name']) => void
  readonly #onFailure: (name: PartView['name'], error: RyoFaasError) => void
  #closed = false

  constructor(hooks: {
    onChange: (name: PartView['name']) => void
    onFailure: (name: PartView['name'], error: RyoFaasError) => void
  }) {
    this.#onChange = hooks.onChange
    this.#onFailure = hooks.onFailure
  }

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

  /** Stops every part, last started first; returns their names. */
  async stopAll(): Promise<string[]> {
    this.close()
    const names: string[] = []
    for (const { part, ensuring } of [...this.#watched].reverse()) {
      // A part stopped while starting would still come up.
      await ensuring?.catch(() => undefined)
      await part.stop()
      names.push(part.name)
    }
    return names
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
        this.#onChange(watched.part.name)
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
        this.#onFailure(watched.part.name, RyoFaasError.from(error, 'PART_FAILED'))
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
    this.#onChange(watched.part.name)
  }
}

function sleepUntil(time: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, Math.max(0, time - performance.now())).unref())
}
