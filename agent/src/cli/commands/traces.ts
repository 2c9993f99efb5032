import type { Argv } from 'yargs'
import type { AgentClient } from '../../client/index.ts'
import { RyoFaasError, type TracePage, type TraceView } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { countOf, formatDuration } from '../output.ts'
import { timeFrom } from '../time-argument.ts'
import { printable, waterfall } from '../waterfall.ts'

/** Lists show this many digits of an id: enough to tell it from others. */
const ID_PREFIX_DIGITS = 12

export const traces: Command = {
  usage: 'traces [action] [id]',
  describe: 'Where the time of calls went: list recent ones, or show one as a waterfall',
  options: yargs =>
    withFilters(yargs)
      .positional('action', { choices: ['list', 'show'] as const, default: 'list' })
      .positional('id', {
        type: 'string',
        describe:
          'With show: trace id (a prefix is enough), request id or call id (default: the first trace of the list)',
      })
      .option('limit', { type: 'number', default: 20, describe: 'Maximum number of traces' })
      .option('cursor', { type: 'string', describe: 'Cursor from the previous page' })
      .option('attributes', { type: 'boolean', default: false, describe: 'With show: attributes of each span' }),
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
    .option('function', { type: 'string', describe: 'Only traces through this function' })
    .option('status', { choices: ['ok', 'error'] as const, describe: 'Only this outcome' })
    .option('min-duration', { type: 'number', describe: 'Only those that took at least this long (ms)' })
    .option('max-duration', { type: 'number', describe: 'Only those that took at most this long (ms)' })
    .option('call', { type: 'string', describe: 'Only traces of this asynchronous call' })
    .option('attribute', { type: 'string', describe: 'Only those with a span that has this attribute: key=value' })
    .option('since', { type: 'string', describe: 'Only newer ones: 10s, 5m, 2h, 1d, or an ISO time' })
    .option('until', { type: 'string', describe: 'Only older ones (same formats)' })
    .option('slowest', { type: 'boolean', default: false, describe: 'Slowest first' })
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
    ['TRACE', 'STARTED', 'FUNCTION', 'NAME', 'STATUS', 'DURATION', 'SPANS', 'CALL'],
    traces.map(trace => [
      trace.traceId.slice(0, ID_PREFIX_DIGITS),
      trace.startedAt,
      printable(trace.function ?? '-'),
      printable(trace.name),
      (trace.status === 'error' ? red : green)(trace.status),
      formatDuration(trace.durationMs),
      String(trace.spans),
      printable(trace.callId ?? '-'),
    ]),
    ['CALL', 'STARTED', 'SPANS', 'NAME'],
  )
  if (cursor !== undefined) output.note(`Next page: --cursor ${cursor}`)
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
  if (trace.droppedSpans > 0) output.note(`${countOf(trace.droppedSpans, 'span')} dropped (limit per trace)`)
}
