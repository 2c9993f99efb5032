import { CLOUD_EVENT_BATCH_TYPE, CLOUD_EVENT_TYPE } from '@ryo-faas/runtime/protocol'
import { CallsClient } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'
import { DATA_HELP, readData } from '../data-argument.ts'

export const events: Command = {
  usage: 'events <action> [type]',
  describe: 'Publish a CloudEvent for triggers: events publish TYPE --data …',
  options: yargs =>
    yargs
      .positional('action', { choices: ['publish'] as const, demandOption: true })
      .positional('type', {
        type: 'string',
        describe: 'Its type; without it --data is a whole event, or a list of them',
      })
      .option('data', { type: 'string', nargs: 1, alias: 'd', describe: `Its data, as JSON or text; ${DATA_HELP}` })
      .option('source', { type: 'string', nargs: 1, default: '/ryo-faas/cli', describe: 'Where it happened' })
      .option('subject', { type: 'string', nargs: 1, describe: 'What it happened to' })
      .option('id', { type: 'string', nargs: 1, describe: 'Its id; default: a random one' }),
  run: async (args, context) => {
    const given = await readData(args['data'] as string | undefined, context)
    const text = given === undefined ? undefined : Buffer.from(given).toString('utf8')
    const type = args['type'] as string | undefined
    const body = type === undefined ? wholeEvents(text) : eventOf(type, { text, ...args })
    const agent = await context.connect()
    const client = await CallsClient.of(agent, context.signal)
    const answer = await client.publish(body, Array.isArray(body) ? CLOUD_EVENT_BATCH_TYPE : CLOUD_EVENT_TYPE)
    context.output.value(answer)
    report(answer, context)
  },
}

interface Given {
  text: string | undefined
  source?: unknown
  subject?: unknown
  id?: unknown
}

function eventOf(type: string, { text, source, subject, id = crypto.randomUUID() }: Given): object {
  const time = new Date().toISOString()
  return {
    ...{ specversion: '1.0', id, source, type, time },
    ...(subject !== undefined && { subject }),
    ...(text !== undefined && dataOf(text)),
  }
}

function dataOf(text: string): object {
  try {
    return { datacontenttype: 'application/json', data: JSON.parse(text) as unknown }
  } catch {
    return { datacontenttype: 'text/plain', data: text }
  }
}

/** @throws RyoFaasError INVALID_OPTION */
function wholeEvents(text: string | undefined): unknown {
  if (text === undefined)
    throw new RyoFaasError('INVALID_OPTION', 'events publish needs the type of the event, or --data with a whole one')
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new RyoFaasError(
      'INVALID_OPTION',
      '--data must be a CloudEvent as JSON, or a list of them, if no type is given',
    )
  }
}

function report({ accepted, duplicates }: { accepted: number; duplicates: number }, { output }: Context): void {
  if (accepted > 0) output.line(`published ${accepted === 1 ? 'one event' : `${accepted} events`}`)
  if (duplicates > 0) output.line(`${duplicates} had been published already`)
}
