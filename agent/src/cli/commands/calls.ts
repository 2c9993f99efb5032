import { routeOf } from '@ryo-faas/runtime/protocol'
import { RyoFaasError, type CallView } from '../../contract/index.ts'
import { CallsClient } from '../../client/index.ts'
import type { Command, Context } from '../context.ts'
import { countOf, formatDuration, type Output } from '../output.ts'

export const calls: Command = {
  usage: 'calls [action] [ids..]',
  describe: 'Asynchronous calls: list, show, cancel, redrive (run dead ones again)',
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'show', 'cancel', 'redrive'] as const, default: 'list' })
      .positional('ids', { type: 'string', array: true, describe: 'Call ids' })
      .option('function', { type: 'string', describe: 'Only calls of this function' })
      .option('status', {
        choices: ['queued', 'running', 'succeeded', 'failed', 'dead', 'cancelled'] as const,
        describe: 'Only calls with this status',
      })
      .option('limit', { type: 'number', default: 50, describe: 'Maximum number of calls' })
      .option('cursor', { type: 'string', describe: 'Cursor from the previous page' })
      .option('all', {
        type: 'boolean',
        default: false,
        describe: 'All calls (of --function): redrive dead ones, cancel queued ones',
      }),
  destroys: args => (args['action'] === 'cancel' ? 'Cancel calls' : undefined),
  run: async (args, context) => {
    const client = await CallsClient.of(await context.connect(), context.signal)
    const ids = (args['ids'] as string[] | undefined) ?? []
    switch (args['action'] as 'list' | 'show' | 'cancel' | 'redrive') {
      case 'list':
        return list(client, args, context)
      case 'show':
        return each(ids, id => client.show(id), context)
      case 'cancel':
        if (args['all'] !== true) return each(ids, id => client.cancel(id), context)
        return cancelAll(client, args['function'] as string | undefined, context)
      case 'redrive':
        if (args['all'] !== true) return each(ids, id => client.redrive(id), context)
        return redriveAll(client, args['function'] as string | undefined, context)
    }
  },
}

async function list(client: CallsClient, args: Record<string, unknown>, { output }: Context): Promise<void> {
  const page = await client.list({
    limit: Number(args['limit']),
    ...(args['function'] !== undefined && { function: routeOf(args['function'] as string) }),
    ...(args['status'] !== undefined && { status: args['status'] as string }),
    ...(args['cursor'] !== undefined && { cursor: args['cursor'] as string }),
  })
  output.value(page)
  if (page.calls.length === 0) return output.line('No calls.')
  output.table(
    ['ID', 'FUNCTION', 'STATUS', 'ATTEMPTS', 'ACCEPTED', 'DURATION'],
    page.calls.map(call => [
      call.id,
      call.function,
      paint(call.status, output),
      String(call.attempts.length),
      call.acceptedAt,
      call.finishedAt ? formatDuration(Date.parse(call.finishedAt) - Date.parse(call.acceptedAt)) : '-',
    ]),
    ['ATTEMPTS', 'DURATION', 'ACCEPTED'],
  )
  if (page.cursor !== undefined) output.note(`Next page: --cursor ${page.cursor}`)
}

const CANCELLED_AT_ONCE = 32

/** All queued calls, including those that start in the meantime. */
async function cancelAll(client: CallsClient, name: string | undefined, { output }: Context): Promise<void> {
  const filter = { status: 'queued', limit: CANCELLED_AT_ONCE, ...(name !== undefined && { function: routeOf(name) }) }
  const progress = output.progress('cancelling')
  let cancelled = 0
  try {
    for await (const calls of client.pages(filter)) {
      const outcomes = await Promise.allSettled(calls.map(({ id }) => client.cancel(id)))
      const fault = outcomes.find(outcome => outcome.status === 'rejected' && !isFinal(outcome.reason))
      if (fault?.status === 'rejected') throw fault.reason
      cancelled += outcomes.filter(({ status }) => status === 'fulfilled').length
      progress.update(`cancelling: ${cancelled} so far`)
    }
  } finally {
    progress.stop()
  }
  output.value({ cancelled })
  output.line(`${countOf(cancelled, 'call')} cancelled`)
}

/** It ended before it could be cancelled. */
function isFinal(error: unknown): boolean {
  return error instanceof RyoFaasError && error.message.startsWith('CALL_FINAL')
}

async function each(ids: string[], act: (id: string) => Promise<CallView>, { output }: Context): Promise<void> {
  if (ids.length === 0)
    throw new RyoFaasError('INVALID_OPTION', 'a call id is required', { hint: 'ryo-faas calls lists them.' })
  const found: CallView[] = []
  for (const id of ids) {
    const call = await act(id)
    found.push(call)
    printCall(call, output)
  }
  output.value(found.length === 1 ? found[0] : found)
}

async function redriveAll(client: CallsClient, name: string | undefined, { output }: Context): Promise<void> {
  const redriven = await client.redriveDead(name)
  output.value({ redriven })
  output.line(`${countOf(redriven, 'dead call')} redriven`)
}

export function printCall(call: CallView, output: Output): void {
  output.line(`${output.colors.bold(call.id)}  ${paint(call.status, output)}`)
  output.line(`accepted ${call.acceptedAt}${call.finishedAt ? `, finished ${call.finishedAt}` : ''}`)
  for (const { number, startedAt, outcome, retryAt } of call.attempts) {
    output.line(`attempt ${number}  ${startedAt}  ${outcome ?? 'running'}${retryAt ? `, retry at ${retryAt}` : ''}`)
  }
  if (call.callback)
    output.line(`callback ${call.callback.url}  ${call.callback.state}, ${countOf(call.callback.attempts, 'attempt')}`)
  if (call.error) output.line(`${call.error.code}: ${call.error.message}`)
}

function paint(status: CallView['status'], { colors }: Output): string {
  const paints = {
    queued: colors.dim,
    running: colors.cyan,
    succeeded: colors.green,
    failed: colors.red,
    dead: colors.red,
    cancelled: colors.yellow,
  }
  return paints[status](status)
}
