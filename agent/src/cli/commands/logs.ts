import type { Command, Context } from '../context.ts'
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
  run: async (args, context) => {
    const since = timeFrom('--since', args['since'] as string | undefined)
    const query = { follow: args['follow'] === true, tail: Number(args['tail']), ...(since !== undefined && { since }) }
    await printLogs([String(args['name'])], query, context)
  },
}

const PAINTS = ['cyan', 'magenta', 'yellow', 'green', 'blue'] as const

interface LogQuery {
  follow: boolean
  tail: number
  since?: string
}

/** Prints the lines of these functions as they come, each instance in its colour. */
export async function printLogs(names: readonly string[], query: LogQuery, context: Context): Promise<void> {
  const { output, signal } = context
  const client = await context.connect()
  const instances: string[] = []
  const print = async (name: string) => {
    const input = { params: { name }, query: { ...query, follow: String(query.follow) } }
    for await (const line of client.stream('logs', input, signal)) {
      if (!instances.includes(line.instance)) instances.push(line.instance)
      const paint = output.colors[PAINTS[instances.indexOf(line.instance) % PAINTS.length]!]
      const shown = output.isTerminal ? withoutControls(line.line) : line.line
      const text = line.stream === 'stderr' ? output.colors.red(shown) : shown
      output.record(line)
      output.line(`${output.colors.dim(line.time.slice(0, 23))} ${paint(line.instance.slice(0, 6))} ${text}`)
    }
  }
  await Promise.all(names.map(print))
}
