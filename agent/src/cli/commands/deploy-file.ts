import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CONFIG_FILES, DEPLOY_FILE, PACKAGE_FIELD, PACKAGE_FILE } from '@ryo-faas/runtime/protocol'
import { namedVariables, RyoFaasError } from '../../contract/index.ts'
import type { Context } from '../context.ts'

/** Of a file with functions that were built before. */
export const ARTEFACT_ENDING = '.ryo'

export const FILE_ARGUMENT = {
  type: 'string',
  default: DEPLOY_FILE,
  describe: 'deploy.json, ryo-faas.config.ts or package.json with a field "ryo-faas"; or the folder that contains it',
} as const
export const ONLY_OPTION = {
  type: 'string',
  array: true,
  nargs: 1,
  describe: 'Only this function (may be repeated)',
} as const

export const ENV_OPTION = {
  type: 'string',
  describe: 'Environment: reads .env.NAME and applies the overrides in "environments"',
} as const

/** What the file refers to as `${NAME}`, from the shell, and the environment that was asked for. */
export async function settingsOf(
  file: string,
  args: Record<string, unknown>,
  { environment }: Pick<Context, 'environment'>,
) {
  // If it cannot be read, the agent says why.
  const text = await readFile(file, 'utf8').catch(() => '')
  const name = args['env'] as string | undefined
  return { variables: namedVariables(text, environment), ...(name !== undefined && { environment: name }) }
}

/**
 * A folder stands for the deploy.json in it, or the one file that holds the same. Without any it is deploy.json, which
 * the agent reports as missing.
 *
 * @throws RyoFaasError DEPLOY_FILE_INVALID if there are several
 */
export async function deployFilePath(cwd: string, argument: unknown): Promise<string> {
  const path = resolve(cwd, String(argument))
  const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true
  if (!isFolder && argument !== FILE_ARGUMENT.default) return path
  const folder = isFolder ? path : cwd
  const present = await Promise.all([DEPLOY_FILE, ...CONFIG_FILES, PACKAGE_FILE].map(name => holds(folder, name)))
  const [first, ...others] = present.filter(name => name !== undefined)
  if (first !== undefined && others.length > 0) {
    const names = [first, ...others].join(' and ')
    throw new RyoFaasError('DEPLOY_FILE_INVALID', `${names} both say what to deploy`, {
      hint: `Keep one, or name it: ryo-faas deploy ${first}`,
    })
  }
  return join(folder, first ?? FILE_ARGUMENT.default)
}

async function holds(folder: string, name: string): Promise<string | undefined> {
  const text = await readFile(join(folder, name), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  return name !== PACKAGE_FILE || (text.includes(`"${PACKAGE_FIELD}"`) && isField(text)) ? name : undefined
}

function isField(text: string): boolean {
  try {
    return Object.hasOwn(JSON.parse(text) as object, PACKAGE_FIELD)
  } catch {
    return false
  }
}
