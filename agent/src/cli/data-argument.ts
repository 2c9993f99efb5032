/** `--data`: literal text, `@file`, or `-` for standard input. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { RyoFaasError } from '../contract/index.ts'
import type { CliHost } from './context.ts'

export const DATA_HELP = '@file reads a file, - reads stdin'

/** @throws RyoFaasError INVALID_OPTION if the file cannot be read. */
export async function readData(
  data: string | undefined,
  { cwd, stdin }: Pick<CliHost, 'cwd' | 'stdin'>,
): Promise<string | Uint8Array<ArrayBuffer> | undefined> {
  if (data === '-') return new Uint8Array(await buffer(stdin))
  if (!data?.startsWith('@')) return data
  const path = resolve(cwd, data.slice(1))
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    throw new RyoFaasError('INVALID_OPTION', `--data ${data}: ${(error as Error).message}`, { cause: error })
  }
}
