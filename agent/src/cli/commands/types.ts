import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { RyoFaasError } from '../../contract/index.ts'
import type { Command, Context } from '../context.ts'

/** The runtime's package in a project: in its repository, so that a clone has it. */
export const RUNTIME = '.ryo-faas/runtime'

export const types: Command = {
  usage: 'types [dir]',
  describe: 'Write @ryo-faas/runtime into a project again, for its types and tests: after an upgrade',
  place: 'here',
  options: yargs => yargs.positional('dir', { type: 'string', default: '.', describe: 'Folder of the project' }),
  run: async (args, context) => {
    const path = await copyRuntime(resolve(context.cwd, String(args['dir'])), context)
    context.output.value({ folder: path })
    context.output.line(`wrote ${path}`)
  },
}

interface RuntimePackage {
  readonly name: string
  readonly version: string
  readonly license?: string
  readonly type: string
  readonly exports: Readonly<Record<string, { readonly types: string; readonly default: string }>>
}

/**
 * What editors, `tsc` and tests need of the package: no maps, nothing that points to its sources, and not what only
 * functions get.
 * @returns where it is
 * @throws RyoFaasError INVALID_OPTION if it cannot be written there
 */
export async function copyRuntime(project: string, { runtimeDir }: Pick<Context, 'runtimeDir'>): Promise<string> {
  const path = join(project, RUNTIME)
  const isNeeded = (source: string) => !/(?:\.(?:map|tsbuildinfo)|[\\/]dist[\\/]whole)$/.test(source)
  try {
    await rm(path, { recursive: true, force: true })
    await cp(join(runtimeDir, 'dist'), join(path, 'dist'), { recursive: true, filter: isNeeded })
    const text = await readFile(join(runtimeDir, 'package.json'), 'utf8')
    const { name, version, license, type, exports } = JSON.parse(text) as RuntimePackage
    const doors = Object.entries(exports).map(([door, { types, default: code }]) => [door, { types, default: code }])
    const manifest = { name, version, license, type, exports: Object.fromEntries(doors) as unknown }
    await writeFile(join(path, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `cannot write ${path}: ${(error as Error).message}`, { cause: error })
  }
  return path
}
