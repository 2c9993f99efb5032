/** Calls of a function under test by the clock: the platform's own rules, and its headers. */
import { CLOUD_EVENT_TYPE, EVENTS_PREFIX, HEADERS, SCHEDULED_KEY } from '../protocol/index.ts'
import {
  hasOneTime,
  isPlainSchedule,
  ONE_TIME,
  RunningSchedule,
  SCHEDULE_RULES,
  scheduleEvent,
  ticksOf,
  type ScheduledCall,
  type ScheduleSettings,
} from '../schedules/index.ts'
import type { Work } from './background.ts'
import type { TestClock } from '../schedules/manual-clock.ts'
import type { TestOutlet } from './test-outlet.ts'

/** One element of `schedule` in deploy.json: with exactly one of `cron`, `every` and `at`. */
export interface ScheduleSpec extends Partial<Omit<ScheduleSettings, 'missed' | 'overlap'>> {
  /** Default: `once`. */
  readonly missed?: 'once' | 'skip' | 'all' | undefined
  /** Default: `skip`. */
  readonly overlap?: 'skip' | 'queue' | 'allow' | undefined
}

export interface ScheduleParts {
  readonly name: string
  readonly schedules: readonly ScheduleSpec[]
  /** It has `scheduled`, which they are for. */
  readonly isScheduled: boolean
  readonly retries: number
  readonly send: (request: Request) => Promise<Response>
  readonly outlet: TestOutlet
  readonly work: Work
  readonly clock: TestClock
}

/** Calls of one schedule that may be open at once, as on the platform. */
const SLOTS = 256

/** @throws TypeError for a schedule that a deploy would refuse */
export function startSchedules(parts: ScheduleParts): { stop(): void } {
  const startMs = parts.clock.now()
  const caller = new ScheduledCaller(parts)
  const running = parts.schedules.map(spec => startOne(settingsOf(spec), startMs, caller))
  return { stop: () => running.forEach(schedule => schedule.stop()) }
}

function startOne(settings: ScheduleSettings, startMs: number, caller: ScheduledCaller): RunningSchedule {
  const lanes = new Map<string, Promise<void>>()
  let open = 0
  const { clock, work } = caller.parts
  const running = new RunningSchedule(settings, {
    ticks: ticksOf(settings, startMs),
    clock,
    seen: startMs,
    sink: {
      slots: () => ({ free: SLOTS - open, all: SLOTS }),
      offer: (call, lane) => {
        open += 1
        const before = lanes.get(lane)
        const made = Promise.resolve(before?.catch(() => undefined)).then(() =>
          caller.make(caller.parts.isScheduled && isPlainSchedule(settings) ? asEvent(settings, call) : call),
        )
        const ended = made.finally(() => {
          open -= 1
          if (lanes.get(lane) === made) lanes.delete(lane)
          running.wake()
        })
        lanes.set(lane, made)
        work.beside(ended)
        clock.hold(ended.catch(() => undefined))
      },
    },
  })
  return running
}

/** A call as the platform sends one to `scheduled`. */
function asEvent(settings: ScheduleSettings, { at, headers }: ScheduledCall): ScheduledCall {
  const typed: [string, string][] = [...headers, ['content-type', CLOUD_EVENT_TYPE]]
  return { at, path: EVENTS_PREFIX + SCHEDULED_KEY, body: scheduleEvent(settings, at), headers: typed }
}

function settingsOf(spec: ScheduleSpec): ScheduleSettings {
  const settings = { zone: 'UTC', missed: 'once', overlap: 'skip', path: '/', ...spec } as ScheduleSettings
  if (!hasOneTime(settings)) throw new TypeError(`A schedule ${ONE_TIME}`)
  for (const [field, { holds, says }] of Object.entries(SCHEDULE_RULES)) {
    const value = settings[field as keyof typeof SCHEDULE_RULES]
    if (value !== undefined && !holds(value)) throw new TypeError(`"${field}" of a schedule ${says}, not "${value}"`)
  }
  return settings
}

class ScheduledCaller {
  readonly parts: ScheduleParts
  #calls = 0

  constructor(parts: ScheduleParts) {
    this.parts = parts
  }

  /** Rejects with what the handler threw at its last attempt. */
  async make({ path, body, headers }: ScheduledCall): Promise<void> {
    const { send, retries, outlet, name } = this.parts
    const callId = `timer_${String((this.#calls += 1)).padStart(6, '0')}`
    for (let attempt = 1; ; attempt += 1) {
      const requestId = crypto.randomUUID()
      const all = [
        ...(body === undefined ? [] : ([['content-type', 'application/json']] as const)),
        ...headers,
        [HEADERS.requestId, requestId],
        [HEADERS.callId, callId],
        [HEADERS.callAttempt, String(attempt)],
      ] as [string, string][]
      const init = { method: 'POST', headers: all, ...(body !== undefined && { body }) }
      const response = await send(new Request(`http://localhost${path}`, init))
      const text = await response.text()
      if (response.ok) return
      if (attempt <= retries) continue
      const thrown = outlet.errors.find(failed => failed.requestId === requestId)
      if (thrown !== undefined) throw thrown.error
      throw new Error(`${name} answered a call by the clock with ${response.status}: ${text}`)
    }
  }
}
