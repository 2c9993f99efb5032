import { dashboardUrl, readAgentFile } from '../../client/index.ts'
import type { Command } from '../context.ts'

export const dashboard: Command = {
  usage: 'dashboard',
  describe: 'Print the URL of the dashboard: metrics, charts and traces in a browser',
  options: yargs =>
    yargs
      .option('open', { type: 'boolean', default: false, describe: 'Open it in the browser' })
      .option('trace', { type: 'string', describe: 'Open this trace: trace id (a prefix is enough) or call id' }),
  run: async (args, context) => {
    const client = await context.connect()
    // The address holds a key: make sure that it is our agent that listens there.
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
