/**
 * The clock that the schedules of this platform follow, as the agent has it; dispatchers follow it by the table of routes.
 *
 * Invariants: 1. A clock of tests only goes forward, and is where it was after the agent has died. 2. Schedules start
 * over where the clock is when a platform starts with a clock of tests, or without the one it had: what they have done
 * by another clock says nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { RyoFaasError, type ClockView, type ScheduleLine } from '../contract/index.ts'
import type { TableClock } from '../routes/index.ts'
import { activeVersion, type StateStore } from './state/index.ts'
import { restartSchedules, scheduleLines } from './subscriptions.ts'

/** A dispatcher, which says what setting of the clock it has come to. */
export interface ClockFollower {
  clock(): Promise<{ id?: number | undefined; serial?: number | undefined }>
}

export interface PlatformClockOptions {
  /** What the platform was started with: see `ClockOption`. */
  option: string
  /** It ran before, and its agent died. */
  isAdopted: boolean
  state: StateStore
  followers: readonly ClockFollower[]
  /** Publishes the routes, with the setting. */
  publish: () => Promise<void>
  /** The next times of this deployment are others. */
  onChange: (name: string) => void
}

const ASK_MS = 20
/** A dispatcher that does not respond for so long will do what `missed` says when it is back. */
const AWAY_MS = 10_000

export class PlatformClock {
  readonly #options: PlatformClockOptions
  #moving: Promise<unknown> = Promise.resolve()

  constructor(options: PlatformClockOptions) {
    this.#options = options
  }

  /** Before anything is published. */
  async begin(): Promise<void> {
    const { state, option, isAdopted } = this.#options
    const known = this.setting
    if (option === 'system' ? known === undefined : isAdopted && known !== undefined) return
    const clock: TableClock | undefined =
      option === 'system'
        ? undefined
        : {
            id: Math.max(Date.now(), (known?.id ?? 0) + 1),
            serial: 0,
            ...(option === 'now' ? { kind: 'running', ms: 0 } : { kind: 'still', ms: Date.parse(option) }),
            passes: false,
          }
    await state.update(next => {
      delete next.clock
      if (clock !== undefined) next.clock = clock
      for (const [route, record] of Object.entries(next.deployments)) {
        next.deployments[route] = restartSchedules(record, nowOf(clock))
      }
    })
  }

  /** Undefined: it is this machine's. */
  get setting(): TableClock | undefined {
    return this.#options.state.current.clock
  }

  get view(): ClockView {
    return clockView(this.setting)
  }

  /** Of all deployments, the one that runs next first. */
  schedules(): ScheduleLine[] {
    return scheduleLines(Object.values(this.#options.state.current.deployments), this.now())
  }

  /** Milliseconds since 1970. */
  now(): number {
    return nowOf(this.setting)
  }

  /**
   * Sets it forward; resolves once the schedules have followed, and what they called has ended or takes long.
   * @param passes times up to there come one by one; if not, as after a machine slept
   * @throws RyoFaasError NO_TEST_CLOCK, INVALID_REQUEST
   */
  move({ to, passes }: { to: number; passes: boolean }): Promise<void> {
    const moved = this.#moving.then(async () => {
      const { state, publish, followers, onChange } = this.#options
      const now = this.now()
      const setting = this.setting
      if (setting === undefined) {
        throw new RyoFaasError('NO_TEST_CLOCK', 'the schedules of this platform follow the real clock', {
          hint: 'A clock that can be set is chosen when the platform starts: ryo-faas dev --clock, or startFaas --clock.',
        })
      }
      if (to < now) {
        throw new RyoFaasError('INVALID_REQUEST', `the clock is at ${iso(now)} already: it can only be set forward`)
      }
      const next = { ...setting, serial: setting.serial + 1, ms: Math.round(setting.ms + to - now), passes }
      await state.update(current => void (current.clock = next))
      await publish()
      await Promise.all(followers.map(follower => followed(follower, next)))
      for (const record of Object.values(state.current.deployments)) {
        if (activeVersion(record).config.schedule.length > 0) onChange(record.name)
      }
    })
    this.#moving = moved.catch(() => undefined)
    return moved
  }
}

export function clockView(setting: TableClock | undefined): ClockView {
  return { kind: setting?.kind ?? 'system', now: iso(nowOf(setting)) }
}

function nowOf(setting: TableClock | undefined): number {
  if (setting === undefined) return Date.now()
  return setting.kind === 'still' ? setting.ms : Date.now() + setting.ms
}

async function followed(follower: ClockFollower, { id, serial }: TableClock): Promise<void> {
  let heardAt = performance.now()
  while (performance.now() - heardAt < AWAY_MS) {
    const state = await follower.clock().catch(() => undefined)
    if (state?.id === id) {
      if ((state.serial ?? -1) >= serial) return
      heardAt = performance.now()
    }
    await delay(ASK_MS)
  }
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}
