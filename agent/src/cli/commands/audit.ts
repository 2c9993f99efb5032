import type { Command } from '../context.ts'
import { timeFrom } from '../time-argument.ts'

export const audit: Command = {
  usage: 'audit',
  describe: 'Show what was done to this platform: deploys, stops, secrets, keys; by whom and from where',
  options: yargs =>
    yargs
      .option('since', { type: 'string', nargs: 1, describe: 'Only since then: 10m, 2h, 1d or an ISO time' })
      .option('limit', { type: 'number', nargs: 1, default: 50, describe: 'At most so many, the newest' }),
  run: async (args, context) => {
    const { output } = context
    const client = await context.connect()
    const since = timeFrom('--since', args['since'] as string | undefined)
    const { actions } = await client.call('audit', {
      query: { limit: args['limit'], ...(since !== undefined && { since }) },
    })
    output.value(actions)
    if (actions.length === 0) return output.note('Nothing was done yet.')
    output.table(
      ['TIME', 'WHAT', 'TO', 'WHO', 'FROM', 'OUTCOME'],
      actions.map(({ time, action, target, who, from, outcome }) => [
        ...[time.slice(0, 19).replace('T', ' '), action, target ?? '', who, from],
        outcome ?? '?',
      ]),
    )
  },
}
