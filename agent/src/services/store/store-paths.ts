import { join } from 'node:path'

/** What lies in the data folder. */
export function storePaths(dataFolder: string) {
  return {
    /** The LMDB environment. */
    data: join(dataFolder, 'data'),
    lock: join(dataFolder, 'lock'),
    backups: join(dataFolder, 'backups'),
  }
}
