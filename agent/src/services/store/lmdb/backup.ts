/**
 * Copies of all data: written while a store works, put in its place while none does.
 *
 * Invariant: a folder in `backups` is whole (it is written under another name and renamed), and so is the data after a
 * restore, whenever it is broken off.
 */
import { randomUUID } from 'node:crypto'
import { cp, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StoreError } from '@ryo-faas/runtime/documents'
import type { Backup, BackupKind } from '../documents/index.ts'
import { lockDataFolder, pathsIn } from './data-folder.ts'
import { type Environment, openEnvironment } from './environment.ts'
import { Reader } from './reader.ts'
import { STATE, writeState } from './table-records.ts'

const DATA_FILE = 'data.mdb'
const TEMPORARY = 'temporary-'

/** Into a new folder of `backups`, named by the time. */
export async function writeBackup(
  environment: Environment,
  { backups, place, log }: { backups: string } & BackupKind,
): Promise<Backup> {
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-')
  const name = place === 'kept' ? time : `${TEMPORARY}${randomUUID()}`
  const [path, unfinished] = [join(backups, name), join(backups, `.${name}-${randomUUID()}`)]
  await mkdir(unfinished, { recursive: true, mode: 0o700 })
  try {
    await environment.root.backup(unfinished, true)
    if (log === 'new') await startEpoch(unfinished)
    await syncFile(join(unfinished, DATA_FILE))
    const sequence = await lastSequenceOf(unfinished)
    await rename(unfinished, path)
    return { path, bytes: (await stat(join(path, DATA_FILE))).size, sequence }
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true })
    throw error
  }
}

async function lastSequenceOf(folder: string): Promise<number> {
  const copy = openEnvironment(folder)
  try {
    return new Reader(copy).lastSequence()
  } finally {
    await copy.root.close()
  }
}

/**
 * Puts a backup in the place of the data; the data that was there is kept next to it.
 * @param from a folder that `writeBackup` has written
 * @returns where the data is now that was there before; `undefined` if there was none
 * @throws an error with code DATA_IN_USE while a store has the data; StoreError INVALID_REQUEST if `from` is not a backup
 */
export async function restoreBackup(dataFolder: string, from: string): Promise<string | undefined> {
  const files = await readdir(from).catch((): string[] => [])
  if (!files.includes(DATA_FILE)) throw new StoreError('INVALID_REQUEST', `${from} is not a backup of a store`)
  const data = pathsIn(dataFolder).environment
  const unlock = await lockDataFolder(dataFolder)
  const fresh = `${data}-restoring-${randomUUID()}`
  try {
    await mkdir(fresh, { mode: 0o700 })
    await cp(join(from, DATA_FILE), join(fresh, DATA_FILE))
    await startEpoch(fresh)
    await syncFile(join(fresh, DATA_FILE))
    const before = `${data}-before-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
    const hadData = await rename(data, before).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
        return false
      },
    )
    await rename(fresh, data)
    return hadData ? before : undefined
  } finally {
    await rm(fresh, { recursive: true, force: true })
    await unlock()
  }
}

/** Its log goes on from the past, so its events must not be taken for those that were relayed since. */
async function startEpoch(path: string): Promise<void> {
  const environment = openEnvironment(path)
  environment.root.transactionSync(() => writeState(environment, STATE.epoch, randomUUID()))
  await environment.root.close()
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
