/**
 * Serves the shared table: what `TableReader` finds is brought to a reader of routes, and what is served and has settled
 * is told. Knows nothing of who wrote the table.
 *
 * Invariants: 1. Tables are served one after another. 2. A generation counts as settled once all before it have.
 * 3. Settings are in force before the table that came with them.
 */
import { BusError, NEWEST_ROUTES, routesSubject, type Bus } from '../../bus/index.ts'
import type { PatchReader, Served } from '../route-channel.ts'
import { StaleTableError } from '../route-keeper.ts'
import type { Route, RouteTable } from '../route.ts'
import { memberEntry, Newest, NEWEST, SETTINGS } from './entries.ts'
import { Presence, type MemberInput } from './member.ts'
import type { Sealer } from './sealer.ts'
import { TableReader, type ReadTable } from './table-reader.ts'

type Next = { generation: number; settings: string | undefined } & (
  { kind: 'table'; table: RouteTable } | { kind: 'route'; route: Route }
)

export interface TableFollowerOptions {
  bus: Bus
  sealer: Sealer
  /** Who follows. */
  about: Omit<MemberInput, 'generation' | 'settled'>
  reader: PatchReader & { readonly generation: number }
  /** Called at first and when they change, with what `TableWriter` was given. */
  onSettings: (settings: unknown) => Promise<void> | void
  onTrouble: (reason: string) => void
}

export class TableFollower {
  readonly #options: TableFollowerOptions
  readonly #presence: Presence
  readonly #tables: TableReader
  #turn: Promise<void> = Promise.resolve()
  #settling: Promise<void> = Promise.resolve()
  #settings: string | undefined
  #served: number
  #isRegistered = false

  constructor(options: TableFollowerOptions) {
    this.#options = options
    const { bus, sealer, about, reader, onTrouble } = options
    this.#served = reader.generation
    this.#presence = new Presence(bus, sealer, { ...about, generation: reader.generation })
    this.#tables = new TableReader({ bus, sealer, onTrouble, onTable: table => this.#take(table) })
  }

  /** Whether the agent has published something newer than what is served; undefined if it does not say. */
  async isBehind(): Promise<boolean | undefined> {
    const { bus, sealer } = this.#options
    // Nobody answers: the agent is away, or NATS is.
    const answer = await bus.ask(NEWEST_ROUTES).catch((error: BusError) => error)
    const text = answer instanceof BusError ? undefined : sealer.open(NEWEST, answer)
    const newest = text === undefined ? undefined : Newest.safeParse(JSON.parse(text)).data
    if (newest === undefined || newest.generation < 0) return undefined
    return this.#served < newest.generation
  }

  /** Says that it serves no more. */
  async close(): Promise<void> {
    await this.#tables.close()
    await this.#turn
    const { bus, about } = this.#options
    if (this.#isRegistered && bus.isConnected) {
      await bus.publish(routesSubject(memberEntry(about.id)), new Uint8Array()).catch(() => undefined) // It will be found lost.
    }
    this.#presence.close()
  }

  #take(read: ReadTable): void {
    let next: Next
    try {
      next = nextOf(read)
    } catch (error) {
      // Of a release that has other routes.
      return this.#options.onTrouble(`the routes at NATS are not understood: ${(error as Error).message}`)
    }
    this.#turn = this.#turn
      .then(() => this.#serve(next))
      .catch((error: unknown) => {
        // The agent does not know of that one, and has to count on from there.
        if (error instanceof StaleTableError) return this.#presence.update({ generation: error.generation })
        this.#tables.readAgain((error as Error).message)
      })
  }

  async #serve(next: Next): Promise<void> {
    const { generation } = next
    await this.#use(next.settings)
    const settled = await this.#hand(next)
    this.#served = generation
    await this.#register()
    this.#presence.update({ generation })
    this.#settling = this.#settling
      .then(() => settled?.settled)
      .then(
        () => this.#presence.update({ settled: generation }),
        (error: Error) => this.#options.onTrouble(error.message),
      )
  }

  async #hand(next: Next): Promise<Served | undefined> {
    const { reader } = this.#options
    const base = reader.generation
    const { generation } = next
    if (generation < base) throw new StaleTableError(base)
    if (next.kind === 'table') return serveWhole(reader, next.table)
    return generation === base ? undefined : reader.setRoute({ base, generation, route: next.route })
  }

  /** Invariant 3. */
  async #use(settings: string | undefined): Promise<void> {
    if (settings === undefined || settings === this.#settings) return
    await this.#options.onSettings(JSON.parse(settings))
    this.#settings = settings
  }

  /** So that an agent that is started later knows whom to wait for. */
  async #register(): Promise<void> {
    if (this.#isRegistered) return
    const { bus, sealer, about } = this.#options
    const entry = memberEntry(about.id)
    await bus.publish(routesSubject(entry), sealer.seal(entry, JSON.stringify(about)))
    this.#isRegistered = true
  }
}

/** Taken from the entries at once: they are about to change. */
function nextOf({ head: { generation }, entries, changed }: ReadTable): Next {
  const settings = entries.whole(SETTINGS)
  const [only] = changed?.size === 1 ? changed : []
  const route = only === undefined ? undefined : entries.route(only)
  return route === undefined
    ? { kind: 'table', generation, settings, table: entries.table(generation) }
    : { kind: 'route', generation, settings, route }
}

/** Resolves once the table is served. */
function serveWhole(reader: PatchReader, table: RouteTable): Promise<Served> {
  return new Promise((resolve, reject) => {
    const settled: Promise<void> = reader.setRoutes(table, () => resolve({ settled }))
    settled.then(() => resolve({ settled }), reject)
  })
}
