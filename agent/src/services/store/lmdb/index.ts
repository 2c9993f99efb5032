/** The embedded store: documents, indexes and the log in one LMDB environment of this machine. */
import type { StoreKind } from '../documents/index.ts'
import { restoreBackup } from './backup.ts'
import { KIND } from './data-folder.ts'
import { openLmdbStore } from './lmdb-store.ts'
import { openSharedLog } from './shared-log.ts'
import type { WriterThread } from './thread-executor.ts'
import { runWriterThread } from './writer-thread.ts'

export const embedded: StoreKind = {
  kind: KIND,
  open: openLmdbStore,
  openLog: openSharedLog,
  runThread: (port, data) => runWriterThread(port, data as WriterThread),
  restore: restoreBackup,
}
