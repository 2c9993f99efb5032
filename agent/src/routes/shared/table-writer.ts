/**
 * The agent's side of the shared table: all proxies on other machines together, as one reader of routes.
 *
 * Invariants: 1. A table is written entry by entry, and then its head; entries that are as they were are not written
 * again. Nothing is written before there is a proxy to read it, unless it is kept for the agent that leads next.
 * 2. `setRoutes` resolves once every proxy that lives serves the table and has settled. 3. A proxy that is lost is not
 * waited for, one that does not respond for `ANSWER_MS`; then it says which. The table is there for them when they are
 * back. 4. Two writers do not mix: a head is written only over the one that was read. 5. What cannot be written now is
 * written when NATS is back. 6. What no message can hold is written in pieces: a large route keeps no other from anybody.
 * 7. Who asks hears which generation was published last.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../host/index.ts'
import { BusError, maxPayloadOf, NEWEST_ROUTES, routesSubject, type Bus } from '../../bus/index.ts'
import type { PatchReader, Served } from '../route-channel.ts'
import { StaleTableError } from '../route-keeper.ts'
import type { RoutePatch, RouteTable } from '../route.ts'
import { entriesOf, HEAD, inPieces, memberEntry, NEWEST, routeEntry, SETTINGS, type Head } from './entries.ts'
import { isLive, Members, type HeardMember, type Member } from './member.ts'
import type { Sealer } from './sealer.ts'
import { readLastTable, readStored, type StoredTable } from './stored-table.ts'

const ANSWER_MS = 5_000
/** A proxy that is lost for so long is forgotten. */
const FORGET_MS = 24 * 3_600_000
const LOOK_EVERY_MS = 100
const AGAIN = { firstMs: 100, mostMs: 2_000 }
/** So many messages are on their way at a time. */
const WINDOW = 256

/** The table is written, or will be; these proxies have not said that they serve it. */
export class NotReachedError extends Error {
  readonly proxies: readonly Member[]

  constructor(proxies: readonly Member[]) {
    const names = proxies.map(({ address, machine }) => `${address} (${machine})`)
    super(`these proxies do not say that they serve the new routes: ${names.join(', ')}`)
    this.name = 'NotReachedError'
    this.proxies = proxies
  }
}

export interface TableWriterOptions {
  bus: Bus
  sealer: Sealer
  /** What proxies need besides the table; JSON. */
  settings: object
  /** It is written also while no proxy reads it. */
  isKept?: boolean
  /** Why something could not be written, once; it is tried again. */
  onTrouble: (reason: string) => void
}

export class TableWriter implements PatchReader {
  readonly members: Members
  readonly #options: TableWriterOptions
  readonly #wanted = new Map<string, string>()
  readonly #looking: NodeJS.Timeout
  readonly #endAnswers: () => void
  #generation = -1
  /** What is at NATS, as far as is known. */
  #stored: StoredTable | undefined
  /** Rejects if the last attempt failed. */
  #writing: Promise<void>
  #isWriting = false
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #isClosed = false

  constructor(options: TableWriterOptions) {
    this.#options = options
    this.members = new Members(options.bus, options.sealer)
    this.members.events.on('changed', ({ generation }) => generation < this.#generation && this.#write())
    this.#looking = setInterval(() => this.#forgetOld(), FORGET_MS / 24).unref()
    this.#writing = this.#attempt(() => this.#writeAll())
    this.#endAnswers = options.bus.answer(NEWEST_ROUTES, async () => {
      return options.sealer.seal(NEWEST, JSON.stringify({ generation: this.#generation }))
    })
  }

  /** @throws StaleTableError, NotReachedError */
  async setRoutes(table: RouteTable, onServed?: () => void): Promise<void> {
    this.#want(table.generation, () => {
      this.#wanted.clear()
      this.#wanted.set(SETTINGS, JSON.stringify(this.#options.settings))
      for (const [entry, text] of entriesOf(table)) this.#wanted.set(entry, text)
    })
    // Nothing else waits for proxies far away.
    onServed?.()
    await this.#reach(table.generation)
  }

  /** Resolves once it is on its way: what is sent later comes later. @throws StaleTableError */
  async setRoute({ base, generation, route }: RoutePatch): Promise<Served> {
    if (base !== this.#generation) throw new StaleTableError(this.#generation)
    this.#want(generation, () => this.#wanted.set(routeEntry(route.name), JSON.stringify(route)))
    const settled = this.#reach(generation)
    settled.catch(() => undefined)
    return { settled }
  }

  /** What an agent published last, this one or one before it. @throws BusError */
  lastTable(): Promise<RouteTable | undefined> {
    const { bus, sealer } = this.#options
    return readLastTable(bus, sealer)
  }

  /** The proxies on other machines, also those that are lost. */
  get proxies(): HeardMember[] {
    return this.members.all.filter(({ isLocal }) => isLocal !== true)
  }

  /** Those that have not said that they serve what was published last. */
  behind(): HeardMember[] {
    return this.proxies.filter(({ generation }) => generation < this.#generation)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#looking)
    clearTimeout(this.#retry)
    this.#endAnswers()
    this.members.close()
    await this.#writing.catch(() => undefined)
  }

  /** @throws StaleTableError */
  #want(generation: number, change: () => void): void {
    const newest = Math.max(this.#generation, this.#stored?.generation ?? -1)
    if (generation < newest) throw new StaleTableError(newest)
    change()
    this.#generation = generation
    this.#write()
  }

  #write(): void {
    if (this.#isWriting || this.#isClosed) return
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#writing = this.#attempt(() => this.#writeAll())
  }

  /** Invariant 5. */
  #attempt(work: () => Promise<void>): Promise<void> {
    this.#isWriting = true
    const attempt = work().finally(() => (this.#isWriting = false))
    attempt.then(
      () => {
        this.#failures = 0
        // It came when this attempt was about to end.
        if (this.#isBehind()) this.#write()
      },
      (error: Error) => {
        this.#stored = undefined
        if (error instanceof StaleTableError || this.#isClosed) return
        this.#failures += 1
        if (this.#failures === 1) this.#options.onTrouble(error.message)
        this.#retry = setTimeout(() => this.#write(), backoffMs(AGAIN, this.#failures)).unref()
      },
    )
    return attempt
  }

  async #open(): Promise<StoredTable> {
    const { bus, sealer } = this.#options
    this.#stored = await readStored(bus, sealer)
    for (const member of this.#stored.members) this.members.expect(member)
    return this.#stored
  }

  #isBehind(): boolean {
    const isRead = this.#options.isKept === true || this.proxies.length > 0
    return isRead && (this.#stored?.generation ?? -1) < this.#generation
  }

  /** What is wanted may change meanwhile. */
  async #writeAll(): Promise<void> {
    this.#stored ??= await this.#open()
    while (this.#isBehind()) {
      const stored = this.#stored ?? (await this.#open())
      if (stored.generation > this.#generation) throw new StaleTableError(stored.generation)
      try {
        await this.#commit(stored)
      } catch (error) {
        // What of it has arrived is not known.
        this.#stored = undefined
        if (!(error instanceof BusError && error.code === 'CONFLICT')) throw error
      }
    }
    const newest = this.#stored?.generation ?? -1
    if (newest > this.#generation && this.#generation >= 0) throw new StaleTableError(newest)
  }

  /** Invariants 1, 4 and 6. @throws BusError */
  async #commit(stored: StoredTable): Promise<void> {
    const { bus, sealer } = this.#options
    const { entries } = stored
    const generation = this.#generation
    const most = maxPayloadOf(bus)
    const wanted = new Map([...this.#wanted].flatMap(([entry, text]) => inPieces(entry, text, most)))
    const changed = [...wanted].filter(([entry, text]) => entries.text(entry) !== text)
    const gone = [...entries.names()].filter(entry => !wanted.has(entry))
    const all = [...changed, ...gone.map(entry => [entry, undefined] as const)]
    const sealed = all.map(([entry, text]) => {
      return { entry, text, data: text === undefined ? NOTHING : sealer.seal(entry, text) }
    })
    for (let from = 0; from < sealed.length; from += WINDOW) {
      const some = sealed.slice(from, from + WINDOW)
      await Promise.all(some.map(({ entry, data }) => bus.publish(routesSubject(entry), data)))
      for (const { entry, text } of some) entries.set(entry, text)
    }
    const head: Head = { generation, digest: entries.digest }
    const { sequence } = await bus.publish(routesSubject(HEAD), sealer.seal(HEAD, JSON.stringify(head)), {
      lastSubjectSequence: stored.headSequence,
    })
    stored.headSequence = sequence
    stored.generation = generation
  }

  /** Invariants 2 and 3. @throws NotReachedError, StaleTableError */
  async #reach(generation: number): Promise<void> {
    let deadline: number | undefined
    for (;;) {
      await Promise.race([this.#writing.catch(refuseStale), delay(ANSWER_MS, undefined, { ref: false })])
      deadline ??= performance.now() + ANSWER_MS
      const missing = this.proxies.filter(({ settled }) => settled < generation)
      if (missing.length === 0) return
      const newer = missing.find(member => isLive(member) && member.generation > this.#generation)
      if (newer !== undefined) throw new StaleTableError(newer.generation)
      if (!missing.some(isLive) || performance.now() > deadline || this.#isClosed) throw new NotReachedError(missing)
      await this.#somethingChanges()
    }
  }

  /** Somebody said something, or it is time to look who is silent. */
  #somethingChanges(): Promise<void> {
    const { events } = this.members
    return new Promise(resolve => {
      const go = () => {
        clearTimeout(timer)
        for (const event of ['changed', 'gone'] as const) events.off(event, go)
        resolve()
      }
      const timer = setTimeout(go, LOOK_EVERY_MS)
      for (const event of ['changed', 'gone'] as const) events.on(event, go)
    })
  }

  #forgetOld(): void {
    for (const { id, heardAt } of this.proxies) {
      if (performance.now() - heardAt < FORGET_MS) continue
      this.members.forget(id)
      // Nobody has to remember it for us, if this fails it is done another time.
      this.#options.bus.publish(routesSubject(memberEntry(id)), NOTHING).catch(() => undefined)
    }
  }
}

const NOTHING = new Uint8Array()

function refuseStale(error: unknown): void {
  if (error instanceof StaleTableError) throw error
}
