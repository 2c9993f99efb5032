import { stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'

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

/** A folder stands for the deploy.json in it. */
export async function deployFilePath(cwd: string, argument: unknown): Promise<string> {
  const path = resolve(cwd, String(argument))
  const info = await stat(path).catch(() => undefined)
  return info?.isDirectory() ? join(path, 'deploy.json') : path
}
