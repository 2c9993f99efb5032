import type { Argv } from 'yargs'
import type { AgentClient } from '../../client/index.ts'
import { RyoFaasError, type TracePage, type TraceView } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { formatDuration } from '../output.ts'
import { timeFrom } from '../time-argument.ts'
import { printable, waterfall } from '../waterfall.ts'

/** So many digits of an id are shown in lists, and tell it from others. */
const SHOWN_DIGITS = 12

export const traces: Command = {
  usage: 'traces [action] [id]',
  describe: 'Where the time of calls went: list recent ones, or show one as a waterfall',
  options: yargs =>
    withFilters(yargs)
      .positional('action', { choices: ['list', 'show'] as const, default: 'list' })
      .positional('id', {
        type: 'string',
        describe:
          'With show: id of a trace or its first digits, a request id, or the id of an asynchronous call; default: the first that list would show',
      })
      .option('limit', { type: 'number', default: 20, describe: 'At most this many' })
      .option('cursor', { type: 'string', describe: 'Where the page before ended' })
      .option('attributes', { type: 'boolean', default: false, describe: 'With show: what is known of each span' }),
  run: async (args, context) => {
    const client = await context.connect()
    if (args['action'] === 'list') return printPage(await page(client, args, context), context)
    const id =
      (args['id'] as string | undefined) ?? (await page(client, { ...args, limit: 1 }, context)).traces[0]?.traceId
    if (id === undefined) throw new RyoFaasError('TRACE_NOT_FOUND', 'no trace matches')
    printTrace(await client.call('trace', { params: { id } }, context.signal), args, context)
  },
}

function withFilters(yargs: Argv): Argv {
  return yargs
    .option('function', { type: 'string', describe: 'Only those that came by this function' })
    .option('status', { choices: ['ok', 'error'] as const, describe: 'Only those that went well, or did not' })
    .option('min-duration', { type: 'number', describe: 'Only those that took at least this long, in milliseconds' })
    .option('max-duration', { type: 'number', describe: 'Only those that took at most this long, in milliseconds' })
    .option('call', { type: 'string', describe: 'Only those of this asynchronous call' })
    .option('attribute', { type: 'string', describe: 'Only those with a span that has this: key=value' })
    .option('since', { type: 'string', describe: 'Only newer ones: 10s, 5m, 2h, 1d, or an ISO time' })
    .option('until', { type: 'string', describe: 'Only older ones, in the same way' })
    .option('slowest', { type: 'boolean', default: false, describe: 'The slowest first, not the newest' })
}

function page(client: AgentClient, args: Record<string, unknown>, { signal }: Context): Promise<TracePage> {
  const text = (name: string) => args[name] as string | undefined
  const query = {
    function: text('function'),
    status: args['status'] as 'ok' | 'error' | undefined,
    minDurationMs: text('min-duration'),
    maxDurationMs: text('max-duration'),
    callId: text('call'),
    attribute: text('attribute'),
    since: timeFrom('--since', text('since')),
    until: timeFrom('--until', text('until')),
    order: args['slowest'] === true ? ('slowest' as const) : undefined,
    limit: text('limit'),
    cursor: text('cursor'),
  }
  const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined))
  return client.call('traces', { query: given }, signal)
}

function printPage({ traces, cursor }: TracePage, { output }: Context): void {
  output.value({ traces, ...(cursor !== undefined && { cursor }) })
  if (traces.length === 0) return output.line('No traces match.')
  const { red, green } = output.colors
  output.table(
    ['TRACE', 'STARTED', 'FUNCTION', 'NAME', 'STATUS', 'TOOK', 'SPANS', 'CALL'],
    traces.map(trace => [
      trace.traceId.slice(0, SHOWN_DIGITS),
      trace.startedAt,
      printable(trace.function ?? '-'),
      printable(trace.name),
      (trace.status === 'error' ? red : green)(trace.status),
      formatDuration(trace.durationMs),
      String(trace.spans),
      printable(trace.callId ?? '-'),
    ]),
  )
  if (cursor !== undefined) output.note(`more: --cursor ${cursor}`)
}

function printTrace(trace: TraceView, args: Record<string, unknown>, { output }: Context): void {
  output.value(trace)
  const { colors } = output
  const status = (trace.status === 'error' ? colors.red : colors.green)(trace.status)
  output.line(`${colors.bold(printable(trace.name))}  ${status}  ${formatDuration(trace.durationMs)}`)
  output.line(colors.dim(`trace ${trace.traceId}  ${trace.startedAt}`))
  if (trace.callId !== undefined) output.line(colors.dim(`call ${printable(trace.callId)}`))
  output.line()
  for (const line of waterfall(trace, { width: output.width, colors, attributes: args['attributes'] === true })) {
    output.line(line)
  }
  if (trace.droppedSpans > 0) output.note(`${trace.droppedSpans} more spans came than are kept of one trace`)
}
