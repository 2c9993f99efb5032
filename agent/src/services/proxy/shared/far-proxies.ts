/**
 * The proxies of a platform on other machines, as its agent deals with them: one reader of routes, one source of demand,
 * and what they have counted, added to what the agent's own proxy has (`own`, whose failure is passed on).
 *
 * Invariants: 1. Nothing here fails a deployment: a proxy that is not reached is remembered, and told to whoever asks.
 * 2. Of a proxy that is lost nothing is known: what it last said is not counted.
 */
import { z } from 'zod'
import { connectBus, proxySubject, type Bus, type BusOptions } from '../../../bus/index.ts'
import {
  isLive,
  NotReachedError,
  Sealer,
  TableWriter,
  type PatchReader,
  type RoutePatch,
  type RouteTable,
  type Served,
} from '../../../routes/index.ts'
import type { Demand } from '../control/proxy-control.ts'
import { DemandSum } from '../demand/demand-sum.ts'
import { FunctionCounts, ProxyStats } from '../metrics/summary.ts'
import { addUpCounts, addUpStats, latestUses } from './sums.ts'
import { PURPOSES, SharedDemand, type QUESTIONS, type SharedSettings } from './shared-messages.ts'

const LOOK_EVERY_MS = 1_000

/** A proxy on another machine. */
export interface FarProxy {
  id: string
  machine: string
  address: string
  pid: number
  version: string
  /** Heard within the last seconds. */
  isLive: boolean
  /** It has said that it serves what was published last. */
  isCurrent: boolean
}

export interface FarOptions {
  nats: Omit<BusOptions, 'name'>
  /** Key of the platform. */
  key: string
  settings: SharedSettings
  /** The routes are kept at NATS, also without a proxy on another machine, for the agent that leads next. */
  isKept?: boolean
  onTrouble: (reason: string) => void
  /** One has come, gone, or is lost. */
  onChange: () => void
}

interface Open {
  bus: Bus
  sealer: Sealer
  writer: TableWriter
}

export class FarProxies implements PatchReader {
  readonly name = 'proxies on other machines'
  readonly #demand = new DemandSum()
  readonly #ends: (() => Promise<void> | void)[] = []
  #open: Open | undefined
  #shown = ''

  /** Until it is called there are none. Resolves when it is connected. */
  async open(options: FarOptions, signal: AbortSignal): Promise<void> {
    const { nats, key, settings, isKept = false, onTrouble, onChange } = options
    const bus = await connectBus({ ...nats, name: 'agent: routes' }, signal)
    const sealer = new Sealer(key)
    const writer = new TableWriter({ bus, sealer, settings, isKept, onTrouble })
    this.#open = { bus, sealer, writer }
    const look = () => {
      for (const member of writer.proxies) if (!isLive(member)) this.#demand.gone(member.id)
      const shown = JSON.stringify(this.all.map(each => [each.id, each.address, each.isLive]))
      if (shown === this.#shown) return
      this.#shown = shown
      onChange()
    }
    writer.members.events.on('changed', look).on('gone', id => {
      this.#demand.gone(id)
      look()
    })
    const timer = setInterval(look, LOOK_EVERY_MS).unref()
    const unlisten = bus.listen(proxySubject('demand', '*'), ({ data }) => this.#heard(data, sealer))
    this.#ends.push(
      unlisten,
      () => clearInterval(timer),
      () => writer.close(),
      () => bus.close(),
    )
  }

  async close(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end()
    this.#demand.close()
    this.#open = undefined
  }

  /** Also those that are lost. */
  get all(): FarProxy[] {
    const writer = this.#open?.writer
    const behind = new Set(writer?.behind())
    return (writer?.proxies ?? []).map(member => {
      const { id, machine, address, pid, version } = member
      return { id, machine, address, pid, version, isLive: isLive(member), isCurrent: !behind.has(member) }
    })
  }

  /** Those that may serve something older than what was published last. */
  notReached(): string[] {
    return this.all
      .filter(({ isCurrent }) => !isCurrent)
      .map(({ id, address, machine }) => `${id} (${address}, ${machine})`)
  }

  /** @throws StaleTableError */
  async setRoutes(table: RouteTable, onServed?: () => void): Promise<void> {
    if (this.#open === undefined) return onServed?.()
    await this.#open.writer.setRoutes(table, onServed).catch(tolerate)
  }

  /** @throws StaleTableError */
  async setRoute(patch: RoutePatch): Promise<Served> {
    if (this.#open === undefined) return { settled: Promise.resolve() }
    const { settled } = await this.#open.writer.setRoute(patch)
    return { settled: settled.catch(tolerate) }
  }

  /** What an agent published last, if that was kept. @throws BusError */
  async lastTable(): Promise<RouteTable | undefined> {
    return this.#open?.writer.lastTable()
  }

  /** What is asked of functions through all of them. */
  async *demand(signal: AbortSignal, onOpen?: () => void): AsyncGenerator<Demand, void, undefined> {
    const lines: Demand[] = []
    let wake = () => undefined as void
    const end = this.#demand.follow(more => {
      lines.push(...more)
      wake()
    })
    const stop = () => wake()
    signal.addEventListener('abort', stop)
    try {
      onOpen?.()
      while (!signal.aborted) {
        while (lines.length > 0) yield lines.shift()!
        await new Promise<void>(resolve => (wake = resolve))
      }
    } finally {
      signal.removeEventListener('abort', stop)
      end()
    }
  }

  async figures(own: Promise<FunctionCounts[]>): Promise<FunctionCounts[]> {
    const others = await this.#ask('figures', z.array(FunctionCounts))
    return others.length === 0 ? own : addUpCounts([await own, ...others])
  }

  async stats(own: Promise<ProxyStats>): Promise<ProxyStats> {
    const others = await this.#ask('stats', ProxyStats)
    return others.length === 0 ? own : addUpStats([await own, ...others])
  }

  async keyUses(own: Promise<Record<string, number>>): Promise<Record<string, number>> {
    const others = await this.#ask('keyUses', z.record(z.string(), z.number()))
    return latestUses([await own, ...others])
  }

  /** What each of those that answer says. */
  async #ask<T>(what: (typeof QUESTIONS)[number], schema: z.ZodType<T>): Promise<T[]> {
    const live = this.all.filter(proxy => proxy.isLive)
    if (this.#open === undefined || live.length === 0) return []
    const { bus, sealer } = this.#open
    const question = () => sealer.seal(PURPOSES.question, JSON.stringify({ what }))
    const answers = await Promise.allSettled(live.map(({ id }) => bus.ask(proxySubject('ask', id), question())))
    return answers.flatMap(answer => {
      const text = answer.status === 'fulfilled' ? sealer.open(PURPOSES.answer, answer.value) : undefined
      return text === undefined ? [] : [schema.parse(JSON.parse(text))]
    })
  }

  #heard(data: Uint8Array, sealer: Sealer): void {
    const text = sealer.open(PURPOSES.demand, data)
    const told = text === undefined ? undefined : SharedDemand.safeParse(JSON.parse(text)).data
    if (told === undefined) return
    if (told.isWhole) this.#demand.takeAll(told.id, told.lines)
    else this.#demand.take(told.id, told.lines)
  }
}

/** Invariant 1. */
function tolerate(error: unknown): void {
  if (!(error instanceof NotReachedError)) throw error
}
