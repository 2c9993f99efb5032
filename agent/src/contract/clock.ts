/** The clock that schedules follow: this machine's, or one of tests, which can be set forward. */
import { z } from 'zod'

export const ClockView = z.object({
  kind: z
    .enum(['system', 'running', 'still'])
    .describe('This machine’s, or a clock of tests: one that runs on, or one that only moves when it is set forward'),
  now: z.iso.datetime(),
})
export type ClockView = z.infer<typeof ClockView>

/** What "clock" of the platform may be: `system`, `now`, or an ISO time with its offset. */
export const ClockOption = z
  .string()
  // A flag without a value.
  .transform(value => (value === '' ? 'now' : value))
  .refine(value => value === 'system' || value === 'now' || z.iso.datetime({ offset: true }).safeParse(value).success, {
    error: 'must be system, now, or an ISO time with its offset, such as 2027-01-31T09:00:00Z',
  })
