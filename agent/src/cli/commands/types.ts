import { cp, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'

const NOT_TYPES = /\.(js|map|tsbuildinfo)$|\.test\.d\.ts$/

export const types: Command = {
  usage: 'types [dir]',
  describe: 'Write the types of @ryo-faas/runtime into a project again: after git clone, after an upgrade',
  options: yargs => yargs.positional('dir', { type: 'string', default: '.', describe: 'Folder of the project' }),
  run: async (args, context) => {
    const folder = resolve(context.cwd, String(args['dir']))
    const path = await writeTypes(folder, context)
    context.output.value({ folder: path })
    context.output.line(`wrote ${path}`)
  },
}

/**
 * They are part of the project, so the editor finds them without anything being installed; they are not committed.
 * @throws RyoFaasError INVALID_OPTION if they cannot be written there
 */
export async function writeTypes(folder: string, { runtimeTypes }: Context): Promise<string> {
  const path = join(folder, '.ryo-faas', 'types')
  try {
    await rm(path, { recursive: true, force: true })
    await cp(runtimeTypes, path, { recursive: true, filter: source => !NOT_TYPES.test(source) })
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `cannot write ${path}: ${(error as Error).message}`, { cause: error })
  }
  return path
}
