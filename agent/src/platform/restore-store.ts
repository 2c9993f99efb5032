/** Restores a backup of the store, for the command line: it needs a stopped platform, so no part could do it. */
import { RyoFaasError } from '../contract/index.ts'
import { storeFolder } from './home-data.ts'

/**
 * @returns where the previous data is kept
 * @throws RyoFaasError INVALID_REQUEST
 */
export async function restoreStore(home: string, backup: string): Promise<string | undefined> {
  // Loads the storage engine, which no other command needs.
  const { restoreBackup, StoreError } = await import('../services/store/index.ts')
  try {
    return await restoreBackup(storeFolder(home), backup)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const isInUse = code === 'DATA_IN_USE'
    if (!isInUse && !(error instanceof StoreError)) throw error
    throw new RyoFaasError('INVALID_REQUEST', message, {
      cause: error,
      hint: isInUse ? 'Stop it with: ryo-faas stopFaas' : 'ryo-faas store backup prints the folder of one.',
    })
  }
}
