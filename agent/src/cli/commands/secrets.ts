import { text } from 'node:stream/consumers'
import { nearMatch, RyoFaasError } from '../../contract/index.ts'
import { confirm, YES } from '../confirm.ts'
import type { Command } from '../context.ts'

export const secrets: Command = {
  usage: 'secrets <action> [name]',
  describe: 'Manage the secrets that deploy.json names: list, set (value from stdin), delete',
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'set', 'delete'] as const, demandOption: true })
      .positional('name', { type: 'string', describe: 'Letters, digits and _' })
      .option('yes', { ...YES, describe: 'With delete: skip the confirmation' }),
  destroys: args => (args['action'] === 'delete' ? `Delete the secret ${String(args['name'])}` : undefined),
  run: async (args, context) => {
    const { output, stdin } = context
    const client = await context.connect()
    const name = args['name'] as string | undefined
    if (args['action'] === 'list') {
      const { names } = await client.call('secrets', {})
      output.value(names)
      return names.forEach(each => output.line(each))
    }
    if (name === undefined) throw new RyoFaasError('INVALID_OPTION', `secrets ${String(args['action'])} needs a name`)
    if (args['action'] === 'delete') {
      const { names } = await client.call('secrets', {})
      if (!names.includes(name)) throw unknownSecret(name, names)
      await confirm(`Delete the secret ${name}?`, args['yes'] === true, context)
    }
    if (args['action'] === 'set' && stdin.isTTY) output.note('Type the value, then press Ctrl-D.')
    const value = args['action'] === 'set' ? (await text(stdin)).replace(/\r?\n$/, '') : null
    await client.call('setSecret', { params: { name }, body: { value } })
    output.value({ name })
    output.line(value === null ? `deleted ${name}` : `set ${name}; functions get it with their next deploy`)
  },
}

function unknownSecret(name: string, names: readonly string[]): RyoFaasError {
  const near = nearMatch(name, names)
  return new RyoFaasError('SECRET_NOT_FOUND', `no secret is named ${JSON.stringify(name)}`, {
    hint: near === undefined ? 'ryo-faas secrets list shows their names.' : `Did you mean ${near}?`,
  })
}
