/** What every process of the platform does at its entry: read its options from a file, once they are there, and exit on a signal. */
import { readFile } from 'node:fs/promises'
import type { z } from 'zod'
import { untilBegin } from './ahead-process.ts'

/** @throws an error with code BAD_OPTIONS that says what is wrong with the file. */
export async function readOptionsFile<T>(path: string | undefined, schema: z.ZodType<T>): Promise<T> {
  await untilBegin()
  try {
    if (path === undefined) throw new Error('the first argument must be the path of a JSON file')
    return schema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    throw Object.assign(new Error(`bad options: ${(error as Error).message}`), { code: 'BAD_OPTIONS' })
  }
}

/** On SIGTERM or SIGINT the process exits with 0 once `close` has finished. */
export function closeOnSignals(close: () => Promise<void>, onFailure: (error: unknown) => void): void {
  const stop = () => {
    close().then(() => process.exit(0), onFailure)
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}
