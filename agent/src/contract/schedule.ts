/** When a function is called by the clock: one element of `schedule` in deploy.json. Its times: `ticksOf`. */
import { createHash } from 'node:crypto'
import { hasOneTime, ONE_TIME, SCHEDULE_RULES } from '@ryo-faas/runtime/schedules'
import { z } from 'zod'

export const Schedule = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,63}$/, 'must be 1 to 63 letters, digits, "_" or "-"')
      .optional()
      .describe('Name in lists and commands; default: made from its times.'),
    cron: z
      .string()
      .refine(SCHEDULE_RULES.cron.holds, SCHEDULE_RULES.cron.says)
      .optional()
      .describe('Five fields (minute, hour, day, month, weekday), or six with seconds first.'),
    every: z
      .string()
      .regex(SCHEDULE_RULES.every.pattern, SCHEDULE_RULES.every.says)
      .optional()
      .describe('Interval, counted from the first deployment: a number and s, m, h or d.'),
    at: z.iso.datetime({ offset: true, error: SCHEDULE_RULES.at.says }).optional().describe('Once, at this time.'),
    zone: z
      .string()
      .refine(SCHEDULE_RULES.zone.holds, SCHEDULE_RULES.zone.says)
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
      .regex(SCHEDULE_RULES.path.pattern, SCHEDULE_RULES.path.says)
      .default('/')
      .describe('Path below the function, with its query.'),
    body: z.unknown().optional().describe('JSON body of the call.'),
  })
  .refine(hasOneTime, { error: ONE_TIME })
export type Schedule = z.infer<typeof Schedule>

/** Names a schedule within its function. Other times are another schedule: what it missed before does not count. */
export function scheduleKey({ name, cron, every, at, zone }: Schedule): string {
  const times = JSON.stringify([name, cron, every, at, zone])
  return `schedule-${createHash('sha256').update(times).digest('hex').slice(0, 12)}`
}
