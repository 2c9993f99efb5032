/**
 * Which agents there are. Each writes now and then that it is there; who has not for a while, by the clock of who looks, is
 * gone. Nothing is decided by it: it is for people, and for a leader that wants to know whether somebody can follow it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { AGENT_STREAMS, agentsSubject, BusError, newestMessage, purge, subjectsIn, type Bus } from '../bus/index.ts'
import { Peer } from './lease.ts'
import type { Seal } from './seal.ts'

const Member = Peer.extend({
  version: z.string(),
  /** The Docker whose containers it takes for its own. */
  docker: z.string().optional(),
})
export type Member = z.infer<typeof Member>

export interface MembersOptions {
  bus: Bus
  seal: Seal
  self: Member
  onChange: () => void
  /** Monotonic, in milliseconds. */
  now?: () => number
}

const EVERY_MS = 1_000
const GONE_MS = 5_000
const LOOK_EVERY_MS = 200
const ALL = agentsSubject('member.*')

export class Members {
  readonly #options: Required<MembersOptions>
  /** By subject. */
  readonly #seen = new Map<string, { revision: number; at: number; member: Member }>()
  #shown = ''
  #timer: NodeJS.Timeout | undefined
  #step: Promise<void> = Promise.resolve()
  #isClosed = false

  constructor(options: MembersOptions) {
    this.#options = { now: () => performance.now(), ...options }
  }

  /** Those that are there, this one included, by the names of their machines. */
  get all(): Member[] {
    const { now } = this.#options
    const present = [...this.#seen.values()].filter(({ at }) => now() - at < GONE_MS)
    return present.map(({ member }) => member).sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id))
  }

  start(): void {
    const next = async () => {
      // The bus is away: the next one says so again.
      await this.step().catch(ignoreBus)
      if (!this.#isClosed) this.#timer = setTimeout(() => (this.#step = next()), EVERY_MS)
    }
    this.#step = next()
  }

  /** @throws BusError */
  async step(): Promise<void> {
    const { bus, seal, self, now, onChange } = this.#options
    const own = subjectOf(self)
    const content = seal.close(own, Buffer.from(JSON.stringify(self)))
    await bus.publish(own, content)
    const subjects = await subjectsIn(bus, AGENT_STREAMS.agents, ALL)
    for (const left of [...this.#seen.keys()].filter(subject => !subjects.includes(subject))) this.#seen.delete(left)
    for (const subject of subjects) {
      const message = await newestMessage(bus, AGENT_STREAMS.agents, subject)
      if (message === undefined || this.#seen.get(subject)?.revision === message.sequence) continue
      const member = Member.parse(JSON.parse(seal.open(subject, message.data).toString()))
      this.#seen.set(subject, { revision: message.sequence, at: now(), member })
    }
    const shown = JSON.stringify(this.all)
    if (shown === this.#shown) return
    this.#shown = shown
    onChange()
  }

  /**
   * Another agent that must not be there beside this one, and is: it says so again while it is waited for. Of those that
   * were killed, and said it last, none is.
   * @throws BusError
   */
  async found(isIt: (member: Member) => boolean): Promise<Member | undefined> {
    const { self, now } = this.#options
    const seen = () => [...this.#seen.values()].filter(({ member }) => member.id !== self.id && isIt(member))
    await this.step()
    const last = Math.max(0, ...seen().map(({ revision }) => revision))
    const deadline = now() + GONE_MS
    while (seen().length > 0 && now() < deadline) {
      const again = seen().find(({ revision }) => revision > last)
      if (again !== undefined) return again.member
      await delay(LOOK_EVERY_MS)
      await this.step()
    }
    return undefined
  }

  /** It is not there any more. */
  async leave(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#step.catch(() => undefined)
    clearTimeout(this.#timer)
    const { bus, self } = this.#options
    await purge(bus, AGENT_STREAMS.agents, { subject: subjectOf(self) }).catch(ignoreBus)
  }
}

function subjectOf({ id }: Pick<Peer, 'id'>): string {
  return agentsSubject(`member.${id}`)
}

function ignoreBus(error: unknown): void {
  if (!(error instanceof BusError)) throw error
}
