/**
 * A proxy as one of several of a platform, which meet at NATS: it says that it is there, and hears how many there are. One
 * on another machine than the agent also follows the shared table, tells what is asked of functions, and answers the agent.
 *
 * Invariants: 1. Calls need none of this: without NATS the last table is served. 2. Settings are kept on disk beside the
 * table. 3. All that is asked of functions is told again every `RETELL_MS`, so that what was lost is mended. 4. One that was
 * started has caught up when it serves what the agent has published last, or has had a table for `catchUpMs`: it cannot know
 * whether there is a newer one. 5. One that was cut off, and hears now that there is, is behind until it serves that; for
 * `BEHIND_MS` at most, because an old table is better than none.
 */
import { hostname } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { readIfPresent, writeDurably } from '../../../host/index.ts'
import { connectBus, proxySubject, ROLL_CALL, type Bus } from '../../../bus/index.ts'
import { isLive, Members, Presence, Sealer, TableFollower, type PatchReader } from '../../../routes/index.ts'
import type { Demand } from '../control/proxy-control.ts'
import type { DemandSink } from '../demand/demand-lines.ts'
import type { ProxyOptions } from '../options.ts'
import { PURPOSES, QUESTIONS, SharedQuestion, SharedSettings, type SharedDemand } from './shared-messages.ts'

const RETELL_MS = 5_000
const COUNT_EVERY_MS = 1_000
const LOOK_EVERY_MS = 50
const ASK_EVERY_MS = 1_000
const BEHIND_MS = 30_000

/** What a proxy lets others do with it. */
export interface Shareable {
  /** Where it serves. */
  address: string
  reader: PatchReader & { readonly generation: number }
  followDemand(sink: DemandSink): () => void
  answers: Record<(typeof QUESTIONS)[number], () => Promise<unknown>>
  useSettings(settings: SharedSettings): void
  /** Limits that hold for all proxies together are divided by `count`. */
  shareAmong(count: number): void
  /** Invariants 4 and 5. */
  setBehind(isBehind: boolean): void
}

type Options = Pick<ProxyOptions, 'nats' | 'routesFile'> & { shared: NonNullable<ProxyOptions['shared']> }

/** @returns the settings of an earlier run */
export async function savedSettings(routesFile: string | undefined): Promise<SharedSettings | undefined> {
  const text = routesFile === undefined ? undefined : await readIfPresent(settingsFile(routesFile))
  if (text === undefined) return undefined
  const parsed = SharedSettings.safeParse(JSON.parse(text))
  return parsed.success ? parsed.data : undefined
}

export class Membership {
  readonly #options: Options
  readonly #own: Shareable
  readonly #sealer: Sealer
  readonly #abort = new AbortController()
  readonly #joining: Promise<void>
  readonly #keepingUp: Promise<void>
  #follower: TableFollower | undefined
  /** In the order in which they were begun. */
  readonly #ends: (() => Promise<void> | void)[] = []

  constructor(options: Options, own: Shareable) {
    this.#options = options
    this.#own = own
    this.#sealer = new Sealer(options.shared.key)
    this.#joining = this.#join().catch(error => {
      if (!this.#abort.signal.aborted) say((error as Error).message)
    })
    this.#keepingUp = options.shared.isFollowing ? this.#keepUp() : Promise.resolve()
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await Promise.all([this.#joining, this.#keepingUp])
    for (const end of this.#ends.reverse()) await end()
  }

  async #join(): Promise<void> {
    const { nats, shared, routesFile } = this.#options
    const { id, version, isFollowing } = shared
    let lastFailure = ''
    const onFailure = ({ message }: Error) => {
      if (message !== lastFailure) say(`NATS: ${message}`)
      lastFailure = message
    }
    const bus = await connectBus({ ...nats!, name: `proxy ${id}`, onFailure }, this.#abort.signal)
    this.#ends.push(() => bus.close())
    this.#count(bus)
    const { address, reader } = this.#own
    const about = { id, machine: hostname(), address, pid: process.pid, version, startedAt: Date.now() }
    if (!isFollowing) {
      const presence = new Presence(bus, this.#sealer, { ...about, isLocal: true })
      this.#ends.push(() => presence.close())
      return
    }
    this.#tellDemand(bus)
    this.#answer(bus)
    const follower = (this.#follower = new TableFollower({
      ...{ bus, sealer: this.#sealer, about, reader, onTrouble: say },
      onSettings: async value => {
        const settings = SharedSettings.parse(value)
        this.#own.useSettings(settings)
        if (routesFile !== undefined) await writeDurably(settingsFile(routesFile), JSON.stringify(settings))
      },
    }))
    this.#ends.push(() => follower.close())
  }

  async #keepUp(): Promise<void> {
    const { signal } = this.#abort
    while (this.#own.reader.generation < 0 && !signal.aborted) await this.#pause(LOOK_EVERY_MS)
    await this.#catchUp(this.#options.shared.catchUpMs)
    while (await this.#fallsBehind()) {
      this.#own.setBehind(true)
      await this.#catchUp(BEHIND_MS)
      while (!signal.aborted && !(await this.#isCurrent())) await this.#pause(ASK_EVERY_MS)
    }
  }

  async #catchUp(atMostMs: number): Promise<void> {
    const isLong = this.#pause(atMostMs)
    while (!(await Promise.race([isLong, this.#isCurrent()]))) await this.#pause(LOOK_EVERY_MS)
    if (!this.#abort.signal.aborted) this.#own.setBehind(false)
  }

  async #isCurrent(): Promise<boolean> {
    return (await this.#follower?.isBehind()) === false
  }

  /** What was published a moment ago is on its way: it is behind if there has been something newer for two questions. */
  async #fallsBehind(): Promise<boolean> {
    const { signal } = this.#abort
    let servedThen: number | undefined
    for (;;) {
      await this.#pause(ASK_EVERY_MS)
      if (signal.aborted) return false
      const served = this.#own.reader.generation
      const isBehind = await this.#follower?.isBehind()
      if (isBehind && served === servedThen) return true
      servedThen = isBehind ? served : undefined
    }
  }

  /** @returns true, also if it is closed meanwhile */
  #pause(ms: number): Promise<boolean> {
    return delay(ms, true, { signal: this.#abort.signal, ref: false }).catch(() => true)
  }

  #count(bus: Bus): void {
    const members = new Members(bus, this.#sealer)
    let told = 1
    const count = () => {
      // Itself also when it is not heard.
      const { id } = this.#options.shared
      const others = members.all.filter(member => member.id !== id && isLive(member)).length
      if (told !== others + 1) this.#own.shareAmong((told = others + 1))
    }
    members.events.on('changed', count).on('gone', count)
    const timer = setInterval(count, COUNT_EVERY_MS).unref()
    this.#ends.push(() => {
      clearInterval(timer)
      members.close()
    })
  }

  /** Invariant 3. */
  #tellDemand(bus: Bus): void {
    const { id } = this.#options.shared
    const tell = (isWhole: boolean, lines: Demand[]): void => {
      if (!bus.isConnected) return
      const told: SharedDemand = { id, isWhole, lines }
      bus.tell(proxySubject('demand', id), this.#sealer.seal(PURPOSES.demand, JSON.stringify(told)))
    }
    let end: (() => void) | undefined
    const tellAll = (): void => {
      const all: Demand[] = []
      let isOpening = true
      const next = this.#own.followDemand(lines => {
        if (isOpening) all.push(...lines)
        else tell(false, lines)
      })
      isOpening = false
      end?.()
      end = next
      tell(true, all)
    }
    tellAll()
    const timer = setInterval(tellAll, RETELL_MS).unref()
    const stops = [bus.listen(ROLL_CALL, tellAll), bus.onReconnect(tellAll)]
    this.#ends.push(() => {
      clearInterval(timer)
      for (const stop of stops) stop()
      end?.()
    })
  }

  #answer(bus: Bus): void {
    const end = bus.answer(proxySubject('ask', this.#options.shared.id), async asked => {
      const { what } = SharedQuestion.parse(JSON.parse(this.#sealer.open(PURPOSES.question, asked) ?? ''))
      return this.#sealer.seal(PURPOSES.answer, JSON.stringify(await this.#own.answers[what]()))
    })
    this.#ends.push(end)
  }
}

function settingsFile(routesFile: string): string {
  return `${routesFile}.settings`
}

function say(reason: string): void {
  console.error(JSON.stringify({ level: 'warn', part: 'proxy', message: reason }))
}
