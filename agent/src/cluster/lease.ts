/**
 * Which of several agents leads: it has the lease, a message on the bus that it writes again every second.
 *
 * Invariants:
 * 1. Each write of the lease names the one before it (compare-and-set), so one of several candidates gets it.
 * 2. No clocks are compared. A lease is lost when its revision has not changed for `lostMs`, by the clock of who looks,
 *    since he saw it; its leader counts from the moment before it sent that very revision, so it is over there first.
 * 3. `isHeld` is asked before anything is done that must not be done by two. What is done nevertheless, because a process
 *    stood still between asking and doing, is refused by the compare-and-set of what it writes (`shared-record.ts`).
 * 4. The epoch grows with every leader. Who was deposed never leads again: another process does.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { AGENT_STREAMS, agentsSubject, BusError, newestMessage, type Bus } from '../bus/index.ts'
import type { Seal } from './seal.ts'

/** An agent, as the others see it. */
export const Peer = z.object({
  /** Of its home: an agent that comes back has it again. */
  id: z.string(),
  /** Of its machine. */
  name: z.string(),
  /** `host:port` where other agents reach it. */
  address: z.string().optional(),
})
export type Peer = z.infer<typeof Peer>

const LeaseRecord = z.object({
  leader: Peer,
  epoch: z.int().min(1),
  /** Of one leader's turn. */
  writer: z.string(),
  /** It stepped down: others need not wait. */
  isReleased: z.boolean().optional(),
})
type LeaseRecord = z.infer<typeof LeaseRecord>

export type LeaseState =
  { kind: 'following'; leader: Peer | undefined } | { kind: 'leading'; epoch: number } | { kind: 'deposed' }

export interface LeaseOptions {
  bus: Bus
  seal: Seal
  self: Peer
  onChange: (state: LeaseState) => void
  renewMs?: number
  lostMs?: number
  lookMs?: number
  /** Monotonic, in milliseconds. */
  now?: () => number
}

const KEY = 'leader'
const SUBJECT = agentsSubject(KEY)
const RENEW_MS = 1_000
const LOST_MS = 3_000
const LOOK_MS = 250

interface Found {
  record: LeaseRecord
  revision: number
}

export class Lease {
  readonly #options: Required<LeaseOptions>
  readonly #writer = randomUUID()
  #state: LeaseState = { kind: 'following', leader: undefined }
  /** The last revision that was seen, and when. */
  #seen: { revision: number; at: number } | undefined
  /** While leading: its last write, and the moment before it was sent. */
  #held: { revision: number; at: number; record: LeaseRecord } | undefined
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: LeaseOptions) {
    const now = () => performance.now()
    this.#options = { renewMs: RENEW_MS, lostMs: LOST_MS, lookMs: LOOK_MS, now, ...options }
  }

  get state(): LeaseState {
    return this.#state
  }

  /** Whether this agent leads and no other one can lead yet. */
  get isHeld(): boolean {
    const { now, lostMs } = this.#options
    return this.#state.kind === 'leading' && now() - this.#held!.at < lostMs
  }

  /** Looks and renews until it is closed or deposed. */
  start(): void {
    const next = async () => {
      const waitMs = await this.step()
      if (this.#isClosed || this.#state.kind === 'deposed') return
      this.#timer = setTimeout(() => (this.#step = next()), waitMs)
    }
    this.#step = next()
  }

  /**
   * Looks at the lease once, takes it if it is free, or renews it.
   * @returns in how many milliseconds to do so again
   * @throws RyoFaasError CLUSTER_KEY_WRONG
   */
  async step(): Promise<number> {
    const { renewMs, lookMs } = this.#options
    try {
      if (this.#state.kind === 'following') await this.#look()
      else if (this.#state.kind === 'leading' && (await this.#renew())) return renewMs
    } catch (error) {
      // The bus is away: what became of a write the next look says.
      if (!(error instanceof BusError)) throw error
    }
    return lookMs
  }

  /** Steps down: another agent may lead at once. */
  async release(): Promise<void> {
    await this.close()
    const held = this.#held
    if (this.#state.kind !== 'leading' || held === undefined) return
    this.#enter({ kind: 'deposed' })
    // If it cannot be written, the others wait until it is lost.
    await this.#write({ ...held.record, isReleased: true }, held.revision).catch(() => undefined)
  }

  /** Does nothing more; another agent may lead once the lease is lost. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#step.catch(() => undefined)
    clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    const { self, now, lostMs } = this.#options
    const found = await this.#read()
    const at = now()
    if (found !== undefined && found.revision !== this.#seen?.revision) this.#seen = { revision: found.revision, at }
    const isLost = found !== undefined && at - this.#seen!.at >= lostMs
    // One process has a home at a time: the one before this one has ended.
    const isOwn = found?.record.leader.id === self.id
    const isFree = found === undefined || found.record.isReleased === true || isOwn || isLost
    const leader = isFree ? undefined : found.record.leader
    if (this.#state.kind === 'following' && this.#state.leader?.id !== leader?.id) {
      this.#enter({ kind: 'following', leader })
    }
    if (isFree && !this.#isClosed) await this.#take(found)
  }

  async #take(before: Found | undefined): Promise<void> {
    const { self, now } = this.#options
    const epoch = (before?.record.epoch ?? 0) + 1
    const record: LeaseRecord = { leader: self, epoch, writer: this.#writer }
    const at = now()
    try {
      this.#held = { record, revision: await this.#write(record, before?.revision ?? 0), at }
      this.#enter({ kind: 'leading', epoch })
    } catch (error) {
      // Another candidate was first.
      if (!isConflict(error)) throw error
    }
  }

  /** @returns false if it is to be tried again soon */
  async #renew(): Promise<boolean> {
    const held = this.#held!
    const at = this.#options.now()
    try {
      const revision = await this.#write(held.record, held.revision)
      this.#held = { ...held, revision, at }
      return true
    } catch (error) {
      if (!isConflict(error)) throw error
      const found = await this.#read()
      const { writer, epoch } = held.record
      if (found?.record.writer !== writer || found.record.epoch !== epoch) this.#enter({ kind: 'deposed' })
      // Ours: only the acknowledgement was lost.
      else this.#held = { ...held, revision: found.revision }
      return false
    }
  }

  async #read(): Promise<Found | undefined> {
    const { bus, seal } = this.#options
    const message = await newestMessage(bus, AGENT_STREAMS.agents, SUBJECT)
    if (message === undefined) return undefined
    const record = LeaseRecord.parse(JSON.parse(seal.open(KEY, message.data).toString()))
    return { record, revision: message.sequence }
  }

  async #write(record: LeaseRecord, revision: number): Promise<number> {
    const { bus, seal } = this.#options
    const content = seal.close(KEY, Buffer.from(JSON.stringify(record)))
    return (await bus.publish(SUBJECT, content, { lastSubjectSequence: revision })).sequence
  }

  #enter(state: LeaseState): void {
    this.#state = state
    this.#options.onChange(state)
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof BusError && error.code === 'CONFLICT'
}
