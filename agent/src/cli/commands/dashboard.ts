import { dashboardUrl, readAgentFile } from '../../client/index.ts'
import type { Command } from '../context.ts'

export const dashboard: Command = {
  usage: 'dashboard',
  describe: 'The address of the dashboard: figures, charts and traces in a browser',
  options: yargs =>
    yargs
      .option('open', { type: 'boolean', default: false, describe: 'Open it in the browser' })
      .option('trace', { type: 'string', describe: 'Show this trace: an id or its first digits, or the id of a call' }),
  run: async (args, context) => {
    const client = await context.connect()
    // The address holds a key: no other program is to be asked for it.
    await client.call('platform', {})
    const trace = args['trace'] as string | undefined
    const found = trace === undefined ? undefined : await client.call('trace', { params: { id: trace } })
    const { agent, token } = (await readAgentFile(context.home))!
    const url = dashboardUrl({ url: agent.url, token }, found && `/trace/${found.traceId}`)
    context.output.value({ url })
    context.output.line(url)
    if (args['open'] === true) await context.openUrl(url)
  },
}
