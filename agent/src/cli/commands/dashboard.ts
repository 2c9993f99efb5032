import { dashboardUrl, type AgentClient } from '../../client/index.ts'
import type { Command, Context } from '../context.ts'

export const dashboard: Command = {
  usage: 'dashboard',
  describe: 'Print the URL of the dashboard: metrics, charts and traces in a browser',
  options: yargs =>
    yargs
      .option('open', { type: 'boolean', default: false, describe: 'Open it in the browser' })
      .option('trace', { type: 'string', describe: 'Open this trace: trace id (a prefix is enough) or call id' }),
  run: async (args, context) => {
    const url = await addressOfDashboard(await context.connect(), context, args['trace'] as string | undefined)
    context.output.value({ url })
    context.output.line(url)
    if (args['open'] === true) await context.openUrl(url)
  },
}

/** @param trace its id, a prefix of it, or a call's id */
export async function addressOfDashboard(
  client: AgentClient,
  { browserDoor }: Context,
  trace?: string,
): Promise<string> {
  // The address holds a key: make sure that it is our agent that listens there.
  await client.call('platform', {})
  const found = trace === undefined ? undefined : await client.call('trace', { params: { id: trace } })
  return dashboardUrl(await browserDoor(), found && `/trace/${found.traceId}`)
}
