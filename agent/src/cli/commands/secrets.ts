import { text } from 'node:stream/consumers'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command } from '../context.ts'

export const secrets: Command = {
  usage: 'secrets <action> [name]',
  describe: 'Manage the secrets that deploy.json names: list, set (value from stdin), delete',
  options: yargs =>
    yargs
      .positional('action', { choices: ['list', 'set', 'delete'] as const, demandOption: true })
      .positional('name', { type: 'string', describe: 'Letters, digits and _' }),
  run: async (args, { output, connect, stdin }) => {
    const client = await connect()
    const name = args['name'] as string | undefined
    if (args['action'] === 'list') {
      const { names } = await client.call('secrets', {})
      output.value(names)
      return names.forEach(each => output.line(each))
    }
    if (name === undefined) throw new RyoFaasError('INVALID_OPTION', `secrets ${String(args['action'])} needs a name`)
    if (args['action'] === 'set' && stdin.isTTY) output.note('Type the value, then press Ctrl-D.')
    const value = args['action'] === 'set' ? (await text(stdin)).replace(/\r?\n$/, '') : null
    await client.call('setSecret', { params: { name }, body: { value } })
    output.value({ name })
    output.line(value === null ? `deleted ${name}` : `set ${name}; functions get it with their next deploy`)
  },
}
