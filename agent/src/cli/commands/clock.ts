/** The clock that schedules follow, which can be set forward on a platform that was started with one of tests. */
import { RyoFaasError } from '../../contract/index.ts'
import type { Command } from '../context.ts'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

export const clock: Command = {
  usage: 'clock [action] [time]',
  describe: 'The clock of tests that schedules follow: show it, or set it forward',
  examples: [
    ['clock', 'where it is'],
    ['clock forward 2h', 'schedules run at each of their times in these two hours'],
    ['clock set 2027-01-31T09:00:00Z', 'as if the machine had slept until then: "missed" says what runs'],
  ],
  options: yargs =>
    yargs
      .positional('action', { choices: ['show', 'forward', 'set'] as const, default: 'show' as const })
      .positional('time', { type: 'string', describe: 'By how much (30s, 10m, 2h, 1d), or an ISO time' }),
  run: async (args, context) => {
    const { output } = context
    const client = await context.connect()
    const seen = await client.call('clock', {})
    if (args['action'] === 'show') {
      output.value(seen)
      return output.line(seen.kind === 'system' ? `${seen.now} (the real clock)` : `${seen.now} (a clock of tests)`)
    }
    const time = args['time'] as string | undefined
    if (time === undefined) {
      throw new RyoFaasError('INVALID_OPTION', `clock ${String(args['action'])} needs a time such as 2h`)
    }
    const body = { to: targetOf(time, Date.parse(seen.now)), passes: args['action'] === 'forward' }
    const after = await client.call('setClock', { body })
    output.value(after)
    output.line(after.now)
  },
}

/** @throws RyoFaasError INVALID_OPTION */
function targetOf(text: string, now: number): string {
  const [, count, unit] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? []
  const at = count === undefined ? Date.parse(text) : now + Number(count) * UNITS[unit as keyof typeof UNITS]
  if (!Number.isNaN(at) && Math.abs(at) <= 8.64e15) return new Date(at).toISOString()
  throw new RyoFaasError('INVALID_OPTION', `clock: ${text} must be a duration (2h) or an ISO time`)
}
