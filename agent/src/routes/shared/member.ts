/**
 * Who serves the shared table: each proxy says so every second, and at once when it serves another generation.
 *
 * Invariants: 1. One that is silent for `LOST_MS` counts as lost: nothing is waited for. It is still listed, as it may be
 * serving what it had. 2. One that stops says so, and is forgotten. 3. What is heard is sealed with the platform's key.
 */
import { EventEmitter } from 'node:events'
import { z } from 'zod'
import { proxySubject, ROLL_CALL, type Bus } from '../../bus/index.ts'
import type { Sealer } from './sealer.ts'

export const HEARTBEAT_MS = 1_000
export const LOST_MS = 3_000

export const Member = z.object({
  id: z.string().min(1).max(100),
  /** Name of its machine. */
  machine: z.string(),
  /** Where it serves: `host:port`. */
  address: z.string(),
  pid: z.int(),
  version: z.string(),
  /** Counts from the start of its process: of two messages that cross, the later one holds. */
  serial: z.int().optional(),
  startedAt: z.number(),
  /** -1: none yet. */
  generation: z.int().default(-1),
  /** Nothing is in flight any more at what this generation and those before took away. */
  settled: z.int().default(-1),
  /** It belongs to the agent, which tells it what to serve: it only counts. */
  isLocal: z.boolean().optional(),
  isGone: z.literal(true).optional(),
})
export type Member = z.infer<typeof Member>
export type MemberInput = z.input<typeof Member>

const ALIVE = 'alive'

/** What a proxy says of itself. */
export class Presence {
  readonly #bus: Bus
  readonly #sealer: Sealer
  readonly #ends: (() => void)[]
  readonly #timer: NodeJS.Timeout
  #told: Member
  #serial = 0

  constructor(bus: Bus, sealer: Sealer, about: MemberInput) {
    this.#bus = bus
    this.#sealer = sealer
    this.#told = Member.parse(about)
    const tell = () => this.#tell()
    this.#timer = setInterval(tell, HEARTBEAT_MS).unref()
    this.#ends = [bus.onReconnect(tell), bus.listen(ROLL_CALL, tell)]
    tell()
  }

  update(change: Partial<Pick<Member, 'generation' | 'settled'>>): void {
    this.#told = { ...this.#told, ...change }
    this.#tell()
  }

  /** Says that it is gone. */
  close(): void {
    clearInterval(this.#timer)
    for (const end of this.#ends) end()
    this.#told = { ...this.#told, isGone: true }
    this.#tell()
  }

  #tell(): void {
    if (!this.#bus.isConnected) return
    this.#serial += 1
    const text = JSON.stringify({ ...this.#told, serial: this.#serial })
    this.#bus.tell(proxySubject('alive', this.#told.id), this.#sealer.seal(ALIVE, text))
  }
}

export interface HeardMember extends Member {
  /** By the clock of `performance.now()`. */
  heardAt: number
}

/** All that are heard. */
export class Members {
  readonly events = new EventEmitter<{ changed: [HeardMember]; gone: [id: string] }>()
  readonly #known = new Map<string, HeardMember>()
  readonly #sealer: Sealer
  readonly #end: () => void

  constructor(bus: Bus, sealer: Sealer) {
    this.#sealer = sealer
    this.events.setMaxListeners(0)
    this.#end = bus.listen(proxySubject('alive', '*'), ({ data }) => this.#heard(data))
    bus.tell(ROLL_CALL)
  }

  /** That was there before anything was heard. */
  expect(member: Member): void {
    if (!this.#known.has(member.id)) this.#known.set(member.id, { ...member, heardAt: performance.now() })
  }

  get all(): HeardMember[] {
    return [...this.#known.values()]
  }

  get live(): HeardMember[] {
    return this.all.filter(isLive)
  }

  forget(id: string): void {
    if (this.#known.delete(id)) this.events.emit('gone', id)
  }

  close(): void {
    this.#end()
  }

  #heard(data: Uint8Array): void {
    const text = this.#sealer.open(ALIVE, data)
    const parsed = text === undefined ? undefined : Member.safeParse(JSON.parse(text))
    if (parsed?.success !== true) return
    const member = parsed.data
    const before = this.#known.get(member.id)
    // Put back by somebody, or of a process that was replaced.
    if (before !== undefined && !isLater(member, before)) return
    if (member.isGone === true) return this.forget(member.id)
    const heard = { ...member, heardAt: performance.now() }
    this.#known.set(member.id, heard)
    this.events.emit('changed', heard)
  }
}

export function isLive({ heardAt }: HeardMember): boolean {
  return performance.now() - heardAt < LOST_MS
}

function isLater(a: Member, b: Member): boolean {
  return a.startedAt === b.startedAt ? (a.serial ?? 0) > (b.serial ?? 0) : a.startedAt > b.startedAt
}
