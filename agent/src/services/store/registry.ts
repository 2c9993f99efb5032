/** The kinds of document stores. Nothing else names one. */
import type { MessagePort } from 'node:worker_threads'
import type { DocumentStore, LogHandle, OpenLog, OpenOptions, StoreKind, StoreThread } from './documents/index.ts'
import { embedded } from './lmdb/index.ts'

/** What threads of the store need, too: they load nothing that only one kind of store has use for. */
const KINDS: ReadonlyMap<string, StoreKind> = new Map([embedded].map(kind => [kind.kind, kind]))

/** The embedded one, unless a database is named. @throws an error with code DATA_IN_USE, BAD_DATABASE */
export async function openStore(options: OpenOptions): Promise<DocumentStore> {
  const { database } = options
  if (database === undefined) return embedded.open(options)
  // Most platforms have no use for its driver.
  const { openPostgresStore } = await import('./postgres/index.ts')
  return openPostgresStore({ ...options, database })
}

export function openLog(handle: LogHandle): OpenLog {
  return capability(handle.kind, 'openLog')(handle)
}

export function runStoreThread(port: MessagePort, data: StoreThread): void {
  capability(data.kind, 'runThread')(port, data)
}

/**
 * Puts a backup in the place of the data; the data that was there is kept next to it.
 * @returns where the data is now that was there before; `undefined` if there was none
 * @throws an error with code DATA_IN_USE while a store has the data; StoreError INVALID_REQUEST if `from` is not a backup
 */
export function restoreBackup(dataFolder: string, from: string): Promise<string | undefined> {
  return capability(embedded.kind, 'restore')(dataFolder, from)
}

function capability<Name extends 'openLog' | 'runThread' | 'restore'>(
  kind: string,
  name: Name,
): NonNullable<StoreKind[Name]> {
  const found = KINDS.get(kind)?.[name]
  if (found === undefined) throw new Error(`a store of kind "${kind}" has no ${name}`)
  return found
}
