import { readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { namedVariables } from '../../contract/index.ts'
import type { Context } from '../context.ts'

export const FILE_ARGUMENT = {
  type: 'string',
  default: 'deploy.json',
  describe: 'deploy.json, or the folder that contains it',
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
export async function settingsOf(file: string, args: Record<string, unknown>, { environment }: Context) {
  // If it cannot be read, the agent says why.
  const text = await readFile(file, 'utf8').catch(() => '')
  const name = args['env'] as string | undefined
  return { variables: namedVariables(text, environment), ...(name !== undefined && { environment: name }) }
}

/** A folder stands for the deploy.json in it. */
export async function deployFilePath(cwd: string, argument: unknown): Promise<string> {
  const path = resolve(cwd, String(argument))
  const info = await stat(path).catch(() => undefined)
  return info?.isDirectory() ? join(path, 'deploy.json') : path
}
