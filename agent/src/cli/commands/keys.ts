import { RyoFaasError, type KeyView } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context } from '../context.ts'
import { endOf } from '../time-argument.ts'

export const keys: Command = {
  usage: 'keys <action> [name]',
  describe: 'Manage the keys with which callers call functions whose access is "key": list, create, revoke',
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'create', 'revoke'] as const, demandOption: true })
      .positional('name', { type: 'string', describe: 'Name of its owner; to revoke one, its name or id' })
      .option('only', { type: 'string', array: true, nargs: 1, describe: 'With create: a function that it opens' })
      .option('events', { type: 'boolean', describe: 'With create: it may also post events' })
      .option('expires', { type: 'string', nargs: 1, describe: 'With create: after a time like 12h, 90d or 52w' })
      .option('yes', { ...YES, describe: 'With revoke: skip the confirmation' }),
  destroys: args => (args['action'] === 'revoke' ? `Revoke the key ${String(args['name'])}` : undefined),
  run: async (args, context) => {
    const client = await context.connect()
    const name = args['name'] as string | undefined
    if (args['action'] === 'list') return list((await client.call('keys', {})).keys, context)
    if (name === undefined) throw new RyoFaasError('INVALID_OPTION', `keys ${String(args['action'])} needs a name`)
    if (args['action'] === 'revoke') {
      await confirm(`Revoke the key ${name}? Calls with it are refused from then on.`, args['yes'] === true, context)
      const view = await client.call('revokeKey', { params: { id: name } })
      context.output.value(view)
      context.output.line(`revoked ${view.name} (${view.id})`)
      for (const proxy of view.notReached ?? []) {
        context.output.note(
          `not reached: the proxy ${proxy} may take it until it hears from the platform, or is stopped`,
        )
      }
      return
    }
    const functions = args['only'] as string[] | undefined
    const expires = args['expires'] as string | undefined
    const created = await client.call('createKey', {
      body: {
        name,
        ...(functions !== undefined && { functions }),
        ...(args['events'] === true && { events: true }),
        ...(expires !== undefined && { expiresAt: endOf(expires, Date.now()) }),
      },
    })
    context.output.value(created)
    context.output.line(created.key)
    context.output.note(
      'This is the only time it is shown. Send it as "Authorization: Bearer <key>" or "X-API-Key: <key>".',
    )
  },
}

function list(all: KeyView[], { output }: Context): void {
  output.value(all)
  if (all.length === 0) return output.note('No keys. ryo-faas keys create NAME makes one.')
  output.table(
    ['ID', 'NAME', 'FUNCTIONS', 'EVENTS', 'CREATED', 'EXPIRES', 'LAST USED'],
    all.map(({ id, name, functions, events, createdAt, expiresAt, usedAt }) => [
      ...[id, name, functions?.join(', ') ?? 'all', events ? 'yes' : 'no'],
      ...[createdAt, expiresAt, usedAt].map(time => time?.slice(0, 16).replace('T', ' ') ?? 'never'),
    ]),
  )
}
