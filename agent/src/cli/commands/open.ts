import type { Command } from '../context.ts'
import { addressOfDashboard } from './dashboard.ts'

export const open: Command = {
  usage: 'open [name]',
  describe: 'Open a function, or the dashboard, in the browser; without a terminal only print its URL',
  examples: [
    ['open', 'the dashboard'],
    ['open hello', 'the function hello'],
  ],
  options: yargs => yargs.positional('name', { type: 'string', describe: 'Deployment name (default: the dashboard)' }),
  run: async (args, context) => {
    const { output } = context
    const client = await context.connect()
    const name = args['name'] as string | undefined
    const url =
      name === undefined
        ? await addressOfDashboard(client, context)
        : (await client.call('deployment', { params: { name } })).url
    output.value({ url })
    output.line(url)
    if (output.isTerminal && !output.json) await context.openUrl(url)
  },
}
