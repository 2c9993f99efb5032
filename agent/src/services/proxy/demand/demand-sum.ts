/** What the workers of a proxy, or several proxies, say of their functions, added up: for who follows it is one proxy. */
import type { Demand } from '../control/proxy-control.ts'
import { DemandLines, DemandMark, type Demanded, type DemandSink } from './demand-lines.ts'

class SummedFunction implements Demanded {
  readonly name: string
  readonly mark = new DemandMark()
  /** The latest of each worker that has calls of it. */
  readonly parts = new Map<unknown, Demand>()
  begun = 0

  constructor(name: string) {
    this.name = name
  }

  get inflight(): number {
    return [...this.parts.values()].reduce((sum, part) => sum + part.inflight, 0)
  }

  get waiting(): number {
    return [...this.parts.values()].reduce((sum, part) => sum + part.waiting, 0)
  }
}

export class DemandSum {
  readonly #functions = new Map<string, SummedFunction>()
  readonly #lines = new DemandLines(() => this.#functions.values())

  follow(sink: DemandSink): () => void {
    return this.#lines.follow(sink)
  }

  /** @param worker whose lines these are */
  take(worker: unknown, lines: readonly Demand[]): void {
    for (const line of lines) {
      let fn = this.#functions.get(line.name)
      if (fn === undefined) this.#functions.set(line.name, (fn = new SummedFunction(line.name)))
      fn.begun += line.calls
      this.#set(fn, worker, line)
    }
  }

  /** @param lines of all that is asked through it */
  takeAll(worker: unknown, lines: readonly Demand[]): void {
    const named = new Set(lines.map(({ name }) => name))
    this.#end(worker, ({ name }) => !named.has(name))
    this.take(worker, lines)
  }

  /** The calls of a worker that died have died with it. */
  gone(worker: unknown): void {
    this.#end(worker, () => true)
  }

  close(): void {
    this.#lines.close()
  }

  #end(worker: unknown, isMeant: (fn: SummedFunction) => boolean): void {
    for (const fn of this.#functions.values()) {
      if (!fn.parts.has(worker) || !isMeant(fn)) continue
      this.#set(fn, worker, { name: fn.name, inflight: 0, waiting: 0, calls: 0 })
    }
  }

  #set(fn: SummedFunction, worker: unknown, line: Demand): void {
    const waited = fn.waiting > 0
    if (line.inflight + line.waiting > 0) fn.parts.set(worker, line)
    else fn.parts.delete(worker)
    if (!waited && fn.waiting > 0) this.#lines.waits(fn)
    else this.#lines.changed(fn)
  }
}
