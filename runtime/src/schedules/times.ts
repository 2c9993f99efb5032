/**
 * The times that a schedule means.
 *
 * An expression for one time of the day runs once on every day: at the change if clocks go forward over its time, and
 * the first time in an hour that comes twice. One for several times follows the clock on the wall: what is skipped does
 * not come, and what comes twice runs twice.
 */
import { Cron } from 'croner'

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const EVERY = /^([1-9]\d{0,5})([smhd])$/
const PATH = /^\/[^\s#]*$/

/** One element of `schedule` in deploy.json, with its defaults. It has exactly one of `cron`, `every` and `at`. */
export interface ScheduleSettings {
  name?: string | undefined
  cron?: string | undefined
  every?: string | undefined
  at?: string | undefined
  zone: string
  missed: 'once' | 'skip' | 'all'
  overlap: 'skip' | 'queue' | 'allow'
  path: string
  body?: unknown
}

/** Its name, or its times as the user wrote them. */
export function scheduleLabel({ name, cron, every, at, zone }: ScheduleSettings): string {
  if (name !== undefined) return name
  if (cron !== undefined) return zone === 'UTC' ? cron : `${cron} ${zone}`
  return every === undefined ? `at ${at}` : `every ${every}`
}

/**
 * Whether a function with `scheduled(event)` gets this one as an event. One with a path or a body is a request all the
 * same.
 */
export function isPlainSchedule({ path, body }: Pick<ScheduleSettings, 'path' | 'body'>): boolean {
  return path === '/' && body === undefined
}

/** What `scheduled` of a Worker is given for a time, as a CloudEvent in JSON. */
export function scheduleEvent({ cron, every, at }: ScheduleSettings, dueMs: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id: String(dueMs),
    source: '/ryo-faas/schedules',
    type: 'ryo-faas.schedule',
    time: new Date(dueMs).toISOString(),
    datacontenttype: 'application/json',
    data: { cron: cron ?? (every === undefined ? `at ${at}` : `every ${every}`) },
  })
}

/** The times of a schedule, in milliseconds since 1970. */
export interface Ticks {
  /** The first time after `ms`; undefined: there is none. */
  next(ms: number): number | undefined
  /** The last time that is not after `ms`; undefined: there is none. */
  last(ms: number): number | undefined
}

/** @param startMs where `every` is counted from; the first time is one interval later */
export function ticksOf({ cron, every, at, zone }: ScheduleSettings, startMs: number): Ticks {
  if (cron !== undefined) return cronTicks(cron, zone)
  if (every !== undefined) return intervalTicks(intervalMs(every), startMs)
  const once = Date.parse(at!)
  return { next: ms => (ms < once ? once : undefined), last: ms => (ms < once ? undefined : once) }
}

function cronTicks(pattern: string, timezone: string): Ticks {
  const cron = new Cron(pattern, { timezone, paused: true })
  return {
    next: ms => cron.nextRun(new Date(ms))?.getTime(),
    // The library looks strictly before its reference, in whole seconds.
    last: ms => cron.previousRuns(1, new Date(Math.floor(ms / 1_000) * 1_000 + 1_000))[0]?.getTime(),
  }
}

function intervalTicks(intervalMs: number, startMs: number): Ticks {
  const countAt = (ms: number) => Math.floor((ms - startMs) / intervalMs)
  return {
    next: ms => startMs + Math.max(1, countAt(ms) + 1) * intervalMs,
    last: ms => (countAt(ms) < 1 ? undefined : startMs + countAt(ms) * intervalMs),
  }
}

function intervalMs(every: string): number {
  const [, count, unit] = EVERY.exec(every)!
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

interface Rule {
  readonly pattern?: RegExp
  holds(text: string): boolean
  /** What to say if it does not. */
  readonly says: string
}

/** What the fields have to be. */
export const SCHEDULE_RULES = {
  cron: { holds: isCron, says: 'must be a cron expression such as "0 16 * * 1-5", for a date that exists' },
  every: { pattern: EVERY, holds: text => EVERY.test(text), says: 'must be a number and s, m, h or d, such as "10m"' },
  at: { holds: isTime, says: 'must be a time with its offset, such as "2027-01-31T09:00:00+01:00"' },
  zone: { holds: isZone, says: 'must be an IANA time zone such as "Europe/London"' },
  path: { pattern: PATH, holds: text => PATH.test(text), says: 'must begin with "/" and have no spaces' },
} as const satisfies Record<string, Rule>

export const ONE_TIME = 'must have exactly one of "cron", "every" and "at"'

export function hasOneTime({ cron, every, at }: Pick<ScheduleSettings, 'cron' | 'every' | 'at'>): boolean {
  return [cron, every, at].filter(time => time !== undefined).length === 1
}

/** Not with a year: what is valid stays valid, also in the agent's memory. */
function isCron(pattern: string): boolean {
  if (pattern.trim().split(/\s+/).length > 6) return false
  try {
    return new Cron(pattern, { timezone: 'UTC', paused: true }).nextRun() !== null
  } catch {
    return false
  }
}

function isTime(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)$/.test(text) && !Number.isNaN(Date.parse(text))
  )
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}
