/** The triggers of this dispatcher: its share of all deployed ones. */
import { createHash } from 'node:crypto'
import type { DispatchedFunction, DispatchedTrigger, DispatcherOptions } from '../options.ts'
import type { SourceDependencies, TriggerSource, TriggerSources } from './source.ts'
import { trimStream } from './trim-stream.ts'
import { TriggerWorker, type KnownTrigger, type TriggerWorkerOptions } from './trigger-worker.ts'

export interface TriggersOptions extends TriggerWorkerOptions {
  options: TriggerWorkerOptions['options'] &
    SourceDependencies['options'] &
    Pick<DispatcherOptions, 'dispatchers' | 'number' | 'eventRetentionMs' | 'term'>
  sources: TriggerSources
  clock: SourceDependencies['clock']
}

interface DeployedTrigger extends KnownTrigger {
  fn: DispatchedFunction
}

const TRIM_MS = 60_000

export class Triggers {
  readonly #options: TriggersOptions
  /** By kind. */
  readonly #sources: ReadonlyMap<string, TriggerSource>
  readonly #workers = new Map<string, TriggerWorker>()
  /** Workers whose position must be saved at the end. */
  #stopped: TriggerWorker[] = []
  readonly #trim: NodeJS.Timeout
  /** Across all dispatchers; undefined before the deployed triggers are known. */
  #deployed: DeployedTrigger[] | undefined

  constructor(options: TriggersOptions) {
    this.#options = options
    this.#sources = new Map(Object.entries(options.sources).map(([kind, make]) => [kind, make(options)]))
    this.#trim = setInterval(() => void this.#trimEvents(), TRIM_MS)
  }

  /** @param secrets by name */
  apply(functions: DispatchedFunction[], secrets: Readonly<Record<string, string>> = {}): void {
    this.#deployed = functions.flatMap(fn =>
      fn.triggers.flatMap(trigger => {
        const known = this.#know(fn, trigger, secrets)
        return known === undefined ? [] : [{ fn, ...known }]
      }),
    )
    const own = new Map(this.#deployed.filter(({ name }) => this.#isOwn(name)).map(each => [each.name, each]))
    for (const [name, worker] of this.#workers) {
      const wanted = own.get(name)
      if (wanted !== undefined && worker.isSame(wanted)) worker.update(wanted.fn)
      else {
        // Its subscription was removed or changed.
        this.#workers.delete(name)
        void worker.stop()
      }
    }
    for (const [name, { fn, ...known }] of own) {
      if (this.#workers.has(name)) continue
      const worker = new TriggerWorker(fn, known, this.#options)
      this.#workers.set(name, worker)
      worker.start()
    }
  }

  /** Resolves once all that are known now wait for events, or are stopped. */
  async opened(): Promise<void> {
    await Promise.all([...this.#workers.values()].map(worker => worker.opened))
  }

  async lags(): Promise<{ name: string; key: string; events: number }[]> {
    const lags = await Promise.all([...this.#workers.values()].map(worker => worker.lag()))
    return lags.filter(lag => lag !== undefined)
  }

  /** Accepts no more events. */
  async stop(): Promise<void> {
    clearInterval(this.#trim)
    this.#stopped = [...this.#workers.values()]
    this.#workers.clear()
    await Promise.all(this.#stopped.map(worker => worker.stop()))
  }

  /** Call when nothing is running: saves all positions. */
  async close(): Promise<void> {
    await Promise.all(this.#stopped.map(worker => worker.close()))
    await Promise.all([...this.#sources.values()].map(async source => source.close?.()))
  }

  /** Undefined, and reported, if this dispatcher does not support its kind; the others continue. */
  #know(
    fn: DispatchedFunction,
    trigger: DispatchedTrigger,
    secrets: Readonly<Record<string, string>>,
  ): KnownTrigger | undefined {
    const { key, kind, start: _, ...given } = trigger
    const source = this.#sources.get(kind)
    const parsed = source?.Spec.safeParse(given)
    if (source !== undefined && parsed?.success === true) {
      const { data: spec } = parsed
      const own = new Set(source.secretsOf?.(spec))
      const needed = Object.fromEntries(Object.entries(secrets).filter(([name]) => own.has(name)))
      return { name: triggerName(fn, trigger), trigger, source, spec, secrets: needed }
    }
    const reason = parsed?.error?.message ?? `there is no source for triggers of the kind "${kind}"`
    this.#options.onEvent({ type: 'trigger-failed', functionName: fn.displayName, handler: key, reason })
    return undefined
  }

  #isOwn(name: string): boolean {
    const { dispatchers, number } = this.#options.options
    return createHash('sha256').update(name).digest().readUInt32BE() % dispatchers === number - 1
  }

  async #trimEvents(): Promise<void> {
    const { bus, options } = this.#options
    if (options.number !== 1 || this.#deployed === undefined) return
    const trimmed = { retentionMs: options.eventRetentionMs, now: Date.now(), term: options.term }
    const streams = new Set([...this.#sources.values()].flatMap(({ stream }) => stream ?? []))
    for (const stream of streams) {
      // What fails now is removed in a minute.
      await trimStream(bus, this.#deployed, { stream, ...trimmed }).catch(() => undefined)
    }
  }
}

/** A handler has one checkpoint per kind of trigger; that of documents keeps the name from before there were kinds. */
function triggerName({ route }: { route: string }, { key, kind }: DispatchedTrigger): string {
  return kind === 'document' ? `${route}.${key}` : `${route}.${key}.${kind}`
}
