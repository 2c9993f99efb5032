/** The triggers of this dispatcher: its part of all that are deployed. */
import { createHash } from 'node:crypto'
import type { DispatchedFunction, DispatcherOptions } from '../options.ts'
import { nameOf, TriggerWorker, type TriggerDependencies } from './trigger-worker.ts'
import { trimEvents } from './trim-events.ts'

export interface TriggersDependencies extends TriggerDependencies {
  options: TriggerDependencies['options'] & Pick<DispatcherOptions, 'dispatchers' | 'number' | 'eventRetentionMs'>
}

const TRIM_MS = 60_000

export class Triggers {
  private readonly of: TriggersDependencies
  private readonly workers = new Map<string, TriggerWorker>()
  /** Those whose place is to be written down at the end. */
  private stopped: TriggerWorker[] = []
  private readonly trim: NodeJS.Timeout
  /** Of all dispatchers; undefined before it is known what is deployed. */
  private deployed: string[] | undefined

  constructor(of: TriggersDependencies) {
    this.of = of
    this.trim = setInterval(() => void this.trimEvents(), TRIM_MS)
  }

  apply(functions: DispatchedFunction[]): void {
    const all = functions.flatMap(fn => fn.triggers.map(trigger => ({ fn, trigger, name: nameOf(fn, trigger) })))
    this.deployed = all.map(({ name }) => name)
    const own = new Map(all.filter(({ name }) => this.isOwn(name)).map(each => [each.name, each]))
    for (const [name, worker] of this.workers) {
      const wanted = own.get(name)
      if (wanted !== undefined && worker.isSame(wanted.trigger)) worker.update(wanted.fn)
      else {
        // Its subscription is gone or has changed.
        this.workers.delete(name)
        void worker.stop()
      }
    }
    for (const [name, { fn, trigger }] of own) {
      if (this.workers.has(name)) continue
      const worker = new TriggerWorker(fn, trigger, this.of)
      this.workers.set(name, worker)
      worker.start()
    }
  }

  async lags(): Promise<{ name: string; key: string; events: number }[]> {
    const lags = await Promise.all([...this.workers.values()].map(worker => worker.lag()))
    return lags.filter(lag => lag !== undefined)
  }

  /** Takes no more events. */
  async stop(): Promise<void> {
    clearInterval(this.trim)
    this.stopped = [...this.workers.values()]
    this.workers.clear()
    await Promise.all(this.stopped.map(worker => worker.stop()))
  }

  /** When nothing runs any more: writes down how far everything has come. */
  async close(): Promise<void> {
    await Promise.all(this.stopped.map(worker => worker.close()))
  }

  private isOwn(name: string): boolean {
    const { dispatchers, number } = this.of.options
    return createHash('sha256').update(name).digest().readUInt32BE() % dispatchers === number - 1
  }

  private async trimEvents(): Promise<void> {
    const { bus, options } = this.of
    if (options.number !== 1 || this.deployed === undefined) return
    // What cannot be removed now is removed in a minute.
    await trimEvents(bus, this.deployed, { retentionMs: options.eventRetentionMs, now: Date.now() }).catch(
      () => undefined,
    )
  }
}
