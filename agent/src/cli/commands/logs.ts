import type { Command } from '../context.ts'
import { withoutControls } from '../control-characters.ts'
import { timeFrom } from '../time-argument.ts'

export const logs: Command = {
  usage: 'logs <name>',
  describe: 'Show the output of a function, interleaved across its instances',
  options: yargs =>
    yargs
      .positional('name', { type: 'string', demandOption: true, describe: 'Deployment name' })
      .option('follow', { type: 'boolean', alias: 'f', default: false, describe: 'Stream new lines' })
      .option('since', { type: 'string', describe: 'Only newer lines: 10s, 5m, 2h, 1d, or an ISO time' })
      .option('tail', { type: 'number', default: 1000, describe: 'Maximum number of past lines' }),
  run: async (args, { output, connect, signal }) => {
    const since = timeFrom('--since', args['since'] as string | undefined)
    const query = { follow: args['follow'] === true, tail: Number(args['tail']), ...(since !== undefined && { since }) }
    const client = await connect()
    const input = { params: { name: String(args['name']) }, query: { ...query, follow: String(query.follow) } }
    const instances: string[] = []
    const paints = ['cyan', 'magenta', 'yellow', 'green', 'blue'] as const
    for await (const line of client.stream('logs', input, signal)) {
      if (!instances.includes(line.instance)) instances.push(line.instance)
      const paint = output.colors[paints[instances.indexOf(line.instance) % paints.length]!]
      const shown = output.isTerminal ? withoutControls(line.line) : line.line
      const text = line.stream === 'stderr' ? output.colors.red(shown) : shown
      output.record(line)
      output.line(`${output.colors.dim(line.time.slice(0, 23))} ${paint(line.instance.slice(0, 6))} ${text}`)
    }
  },
}
