/** What lies in the data folder of an embedded store, and which process has it: one at a time. */
import { join } from 'node:path'
import { acquireProcessLock } from '../../../host/index.ts'

/** See `registry.ts`. */
export const KIND = 'embedded'

export function pathsIn(dataFolder: string) {
  return {
    /** The LMDB environment. */
    environment: join(dataFolder, 'data'),
    lock: join(dataFolder, 'lock'),
    backups: join(dataFolder, 'backups'),
  }
}

/**
 * @returns a function that releases it
 * @throws an error with code DATA_IN_USE
 */
export async function lockDataFolder(dataFolder: string): Promise<() => Promise<void>> {
  const outcome = await acquireProcessLock(pathsIn(dataFolder).lock)
  if (outcome.kind === 'acquired') return outcome.release
  const message = `the data in ${dataFolder} is in use by process ${outcome.holder.pid}`
  throw Object.assign(new Error(message), { code: 'DATA_IN_USE' })
}
