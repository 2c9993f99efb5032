import { ROLES, RyoFaasError, type Role, type TokenView } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command, Context } from '../context.ts'
import { endOf } from '../time-argument.ts'

export const token: Command = {
  usage: 'token <action> [name]',
  describe: 'Manage the tokens with which people and programs use this platform: list, create, revoke',
  examples: [
    ["token create CI --can deploy --for 'staging-*' --expires 90d", 'deploys functions with such names'],
    ['token create Ann --can read', 'looks at everything, changes nothing'],
  ],
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'create', 'revoke'] as const, demandOption: true })
      .positional('name', { type: 'string', describe: 'Name of its owner; to revoke one, its name or id' })
      .option('can', { choices: ROLES, describe: 'With create: what it may do; each role includes those before it' })
      .option('for', {
        type: 'string',
        array: true,
        nargs: 1,
        describe: 'With create: only functions of this name; * stands for any text',
      })
      .option('expires', { type: 'string', nargs: 1, describe: 'With create: after a time like 12h, 90d or 52w' })
      .option('yes', { ...YES, describe: 'With revoke: skip the confirmation' }),
  destroys: args => (args['action'] === 'revoke' ? `Revoke the token ${String(args['name'])}` : undefined),
  run: async (args, context) => {
    const client = await context.connect()
    const name = args['name'] as string | undefined
    if (args['action'] === 'list') return list((await client.call('tokens', {})).tokens, context)
    if (name === undefined) throw new RyoFaasError('INVALID_OPTION', `token ${String(args['action'])} needs a name`)
    if (args['action'] === 'revoke') {
      await confirm(`Revoke the token ${name}? It opens nothing from then on.`, args['yes'] === true, context)
      const view = await client.call('revokeToken', { params: { id: name } })
      context.output.value(view)
      return context.output.line(`revoked ${view.name} (${view.id})`)
    }
    const can = args['can'] as Role | undefined
    if (can === undefined) {
      throw new RyoFaasError('INVALID_OPTION', '--can is missing', { hint: `Use one of ${ROLES.join(', ')}.` })
    }
    const patterns = args['for'] as string[] | undefined
    const expires = args['expires'] as string | undefined
    const created = await client.call('createToken', {
      body: {
        name,
        can,
        ...(patterns !== undefined && { for: patterns }),
        ...(expires !== undefined && { expiresAt: endOf(expires, Date.now()) }),
      },
    })
    context.output.value(created)
    context.output.line(created.token)
    context.output.note('This is the only time it is shown. Use it with: ryo-faas server add https://… --token -')
  },
}

function list(all: TokenView[], { output }: Context): void {
  output.value(all)
  if (all.length === 0) return output.note('No tokens. ryo-faas token create NAME --can ROLE makes one.')
  output.table(
    ['ID', 'NAME', 'MAY', 'FOR', 'CREATED', 'EXPIRES', 'LAST USED'],
    all.map(({ id, name, can, for: patterns, createdAt, expiresAt, usedAt }) => [
      ...[id, name, can, patterns?.join(', ') ?? 'all'],
      ...[createdAt, expiresAt, usedAt].map(time => time?.slice(0, 16).replace('T', ' ') ?? 'never'),
    ]),
  )
}
