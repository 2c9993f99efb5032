/**
 * When a function is called by the clock: one element of `schedule` in deploy.json, and the times it means.
 *
 * A time that a change of the clocks skips runs once, when they go forward; one that comes twice runs once, the first
 * time, unless the hour is `*`: then it runs in both hours.
 */
import { createHash } from 'node:crypto'
import { Cron } from 'croner'
import { z } from 'zod'

const UNIT_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const EVERY = /^([1-9]\d{0,5})([smhd])$/

export const Schedule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, "_" or "-"')
      .optional()
      .describe('Name in lists and commands; default: made from its times.'),
    cron: z
      .string()
      .refine(isCron, 'must be a cron expression such as "0 16 * * 1-5", for a date that exists')
      .optional()
      .describe('Five fields (minute, hour, day, month, weekday), or six with seconds first.'),
    every: z
      .string()
      .regex(EVERY, 'must be a number and s, m, h or d, such as "10m"')
      .optional()
      .describe('Interval, counted from the first deployment: a number and s, m, h or d.'),
    at: z.iso
      .datetime({ offset: true, error: 'must be a time with its offset, such as "2027-01-31T09:00:00+01:00"' })
      .optional()
      .describe('Once, at this time.'),
    zone: z
      .string()
      .refine(isZone, 'must be an IANA time zone such as "Europe/London"')
      .default('UTC')
      .describe('Time zone of the cron expression.'),
    missed: z
      .enum(['once', 'skip', 'all'])
      .default('once')
      .describe('After a time when nothing could run: one call for all that was missed, none, or one for each.'),
    overlap: z
      .enum(['skip', 'queue', 'allow'])
      .default('skip')
      .describe('While the call before is still running: no call, a call after it, or a call at the same time.'),
    path: z
      .string()
      .regex(/^\/[^\s#]*$/, 'must begin with "/" and have no spaces')
      .default('/')
      .describe('Path below the function, with its query.'),
    body: z.unknown().optional().describe('JSON body of the call.'),
  })
  .refine(({ cron, every, at }) => [cron, every, at].filter(time => time !== undefined).length === 1, {
    error: 'must have exactly one of "cron", "every" and "at"',
  })
export type Schedule = z.infer<typeof Schedule>

/** Names a schedule within its function. Other times are another schedule: what it missed before does not count. */
export function scheduleKey({ name, cron, every, at, zone }: Schedule): string {
  const times = JSON.stringify([name, cron, every, at, zone])
  return `schedule-${createHash('sha256').update(times).digest('hex').slice(0, 12)}`
}

/** Its name, or its times as the user wrote them. */
export function scheduleLabel({ name, cron, every, at, zone }: Schedule): string {
  if (name !== undefined) return name
  if (cron !== undefined) return zone === 'UTC' ? cron : `${cron} ${zone}`
  return every === undefined ? `at ${at}` : `every ${every}`
}

/** The times of a schedule, in milliseconds since 1970. */
export interface Ticks {
  /** The first time after `ms`; undefined: there is none. */
  next(ms: number): number | undefined
  /** The last time that is not after `ms`; undefined: there is none. */
  last(ms: number): number | undefined
}

/** @param startMs where `every` is counted from; the first time is one interval later */
export function ticksOf({ cron, every, at, zone }: Schedule, startMs: number): Ticks {
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

/** Not with a year: what is valid stays valid, also in the agent's memory. */
function isCron(pattern: string): boolean {
  if (pattern.trim().split(/\s+/).length > 6) return false
  try {
    return new Cron(pattern, { timezone: 'UTC', paused: true }).nextRun() !== null
  } catch {
    return false
  }
}

function isZone(zone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }) !== undefined
  } catch {
    return false
  }
}
