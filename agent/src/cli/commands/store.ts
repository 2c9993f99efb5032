import { resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context } from '../context.ts'
import { DATA_HELP, readData } from '../data-argument.ts'
import { formatBytes } from '../output.ts'
import { startFrom } from '../start-from.ts'
import { StoreClient, docPath, docsPath, onlyOver, tablePath, type StoredDocument } from '../../client/index.ts'
import { needed, type Asked } from './store-arguments.ts'
import { exportTable, importTable } from './store-transfer.ts'

const ACTIONS = {
  tables: 'names, counts and indexes',
  get: '<table> <id>',
  put: '<table> [id] --data: create or replace',
  patch: '<table> <id> --data: JSON merge patch',
  delete: '<table> <id>',
  query: '<table> [--where …] [--order-by …]',
  changes: '<table>: stream events; --since a sequence',
  export: '<table> [file]: one document per line; --plain: the data only, as JSON',
  import: '<table> <file>: output of export, or JSON; --events runs triggers',
  index: '<table> <field> [--drop]',
  drop: '<table>: remove the table and all its documents',
  replay: '<function> --from: run its triggers again',
  backup: 'a consistent copy while the store runs',
  restore: '<backup>: replace the data with it; the platform must be stopped',
} as const
type Action = keyof typeof ACTIONS

export const store: Command = {
  usage: 'store [action] [args..]',
  describe: 'The JSON datastore: documents, queries, changes, import and export, indexes, replay of triggers',
  options: yargs =>
    yargs
      .positional('action', { choices: Object.keys(ACTIONS) as Action[], default: 'tables' as const })
      .positional('args', { type: 'string', array: true, describe: 'See below' })
      .option('data', { type: 'string', nargs: 1, alias: 'd', describe: `A JSON value; ${DATA_HELP}` })
      .option('if-version', {
        type: 'number',
        describe: 'Only if the document has this version (0: only if it does not exist)',
      })
      .option('where', { type: 'string', nargs: 1, describe: `Conditions, e.g. '{"amount":{">=":10}}'` })
      .option('order-by', { type: 'string', nargs: 1, describe: 'Field to sort by' })
      .option('desc', { type: 'boolean', default: false, describe: 'With --order-by: descending' })
      .option('limit', { type: 'number', default: 100, describe: 'Documents per page' })
      .option('cursor', { type: 'string', describe: 'Cursor from the previous page' })
      .option('since', { type: 'string', default: '', describe: 'With changes: first sequence (default: from now)' })
      .option('plain', { type: 'boolean', default: false, describe: 'With export and import: the data only' })
      .option('events', { type: 'boolean', default: false, describe: 'With import: emit events, so that triggers run' })
      .option('drop', { type: 'boolean', default: false, describe: 'With index: remove it' })
      .option('yes', { ...YES, describe: 'With drop: skip the confirmation' })
      .option('from', { type: 'string', describe: 'With replay: sequence or ISO time of the first event' })
      .option('handler', { type: 'string', describe: 'With replay: one handler of a service' })
      .epilogue(
        Object.entries(ACTIONS)
          .map(([action, what]) => `  store ${action.padEnd(8)} ${what}`)
          .join('\n'),
      ),
  destroys: ({ action, args, drop }) => {
    const isDestroying = action === 'delete' || action === 'drop' || (action === 'index' && drop === true)
    return isDestroying ? `store ${action} ${((args as string[] | undefined) ?? []).join(' ')}` : undefined
  },
  run: async (args, context) => {
    const action = args['action'] as Action
    const given = ((args['args'] as string[] | undefined) ?? []).map(String)
    if (action === 'replay') return replay(given, args, context)
    if (action === 'restore') return restore(given, context)
    const store = await StoreClient.of(await context.connect(), context.signal)
    return RUN[action](store, { given, args, context })
  },
}

type Run = (client: StoreClient, asked: Asked) => Promise<void>

const RUN: Record<Exclude<Action, 'replay' | 'restore'>, Run> = {
  tables: async (client, { context: { output } }) => {
    const tables = await client.tables()
    output.value({ tables })
    if (tables.length === 0) return output.line('No tables yet.')
    output.table(
      ['TABLE', 'DOCUMENTS', 'INDEXES'],
      tables.map(({ table, documents, indexes }) => [
        table,
        String(documents),
        indexes.map(({ field, state }) => (state === 'ready' ? field : `${field} (${state})`)).join(', ') || '-',
      ]),
    )
  },
  get: async (client, { given, context }) => {
    const [table, id] = needed(given, ['table', 'id'])
    print(await client.document('GET', docPath(table, id)), context)
  },
  put: async (client, { given, args, context }) => {
    const [table, id] = needed(given, ['table'])
    const data = await jsonOf(args['data'], context)
    const headers = condition(args['ifVersion'])
    const request = { body: JSON.stringify({ data }), contentType: 'application/json', headers }
    print(
      id === undefined
        ? await client.document('POST', docsPath(table), request)
        : await client.document('PUT', docPath(table, id), request),
      context,
    )
  },
  patch: async (client, { given, args, context }) => {
    const [table, id] = needed(given, ['table', 'id'])
    const body = JSON.stringify(await jsonOf(args['data'], context))
    const request = { body, contentType: 'application/merge-patch+json', headers: condition(args['ifVersion']) }
    print(await client.document('PATCH', docPath(table, id), request), context)
  },
  delete: async (client, { given, args, context: { output } }) => {
    const [table, id] = needed(given, ['table', 'id'])
    await client.send('DELETE', docPath(table, id), { headers: condition(args['ifVersion']) })
    output.value({ table, id, deleted: true })
    output.line(`deleted ${table}/${id}`)
  },
  query: async (client, { given, args, context: { output } }) => {
    const [table] = needed(given, ['table'])
    const parameters = new URLSearchParams({ limit: String(args['limit']) })
    for (const name of ['where', 'cursor']) {
      if (args[name] !== undefined) parameters.set(name, args[name] as string)
    }
    const field = args['orderBy'] as string | undefined
    if (field !== undefined) parameters.set('orderBy', args['desc'] === true ? `-${field}` : field)
    const page = await client.query(table, parameters)
    output.value(page)
    for (const document of page.documents) output.line(JSON.stringify(document))
    if (page.documents.length === 0) output.line('No documents match.')
    if (page.cursor !== undefined) output.note(`Next page: --cursor ${page.cursor}`)
  },
  changes: async (client, { given, args, context: { output } }) => {
    const [table] = given
    for await (const event of await client.changes(table, args['since'] as string)) {
      output.record(event)
      output.line(JSON.stringify(event))
    }
  },
  export: exportTable,
  import: importTable,
  index: async (client, { given, args, context: { output } }) => {
    const [table, field] = needed(given, ['table', 'field'])
    const method = args['drop'] === true ? 'DELETE' : 'PUT'
    await client.send(method, `${tablePath(table)}/indexes/${encodeURIComponent(field)}`)
    output.value({ table, field, dropped: method === 'DELETE' })
    output.line(method === 'DELETE' ? `dropped the index on ${field}` : `${table} has an index on ${field}`)
  },
  drop: async (client, { given, args, context }) => {
    const { output } = context
    const [table] = needed(given, ['table'])
    await confirm(`Drop the table ${JSON.stringify(table)} and all its documents?`, args['yes'] === true, context)
    await client.send('DELETE', tablePath(table))
    output.value({ table, dropped: true })
    output.line(`dropped ${table}`)
  },
  backup: async (client, { context: { output } }) => {
    const made = (await (await client.send('POST', '/backup')).json()) as { path: string; bytes?: number }
    output.value(made)
    output.line(made.bytes === undefined ? made.path : `${made.path} (${formatBytes(made.bytes)})`)
  },
}

async function restore(given: string[], { cwd, restoreStore, output, server }: Context): Promise<void> {
  if (server !== undefined) {
    throw new RyoFaasError(
      'UNSUPPORTED',
      `the store of the server ${server} is restored there, while its platform is stopped`,
    )
  }
  const [backup] = needed(given, ['backup'])
  const kept = await restoreStore(resolve(cwd, backup))
  output.value({ restored: backup, ...(kept !== undefined && { kept }) })
  output.line(`restored ${backup}${kept === undefined ? '' : `; the previous data is kept in ${kept}`}`)
}

async function replay(given: string[], args: Record<string, unknown>, { connect, output }: Context): Promise<void> {
  const [name] = needed(given, ['function'])
  if (args['from'] === undefined) {
    throw new RyoFaasError('INVALID_OPTION', '--from is missing', { hint: '--from 1 replays every event.' })
  }
  const body = { from: startFrom(args['from'] as string), ...handlerOf(args) }
  await (await connect()).call('replay', { params: { name }, body })
  output.value({ name, ...body })
  output.line(`replaying events for ${name} from ${args['from'] as string}`)
}

function handlerOf({ handler }: Record<string, unknown>): { handler?: string } {
  return handler === undefined ? {} : { handler: handler as string }
}

function condition(version: unknown): Record<string, string> {
  return version === undefined ? {} : onlyOver(Number(version))
}

async function jsonOf(data: unknown, context: Context): Promise<unknown> {
  const text = await readData(data as string | undefined, context)
  if (text === undefined) throw new RyoFaasError('INVALID_OPTION', '--data is missing', { hint: DATA_HELP })
  try {
    return JSON.parse(typeof text === 'string' ? text : new TextDecoder().decode(text)) as unknown
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `--data is not JSON: ${(error as Error).message}`, { cause: error })
  }
}

function print(document: StoredDocument, { output }: Context): void {
  output.value(document)
  output.line(JSON.stringify(document, null, 2))
}
