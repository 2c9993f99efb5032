/** What LMDB's errors mean for writers. */
import { statfsSync } from 'node:fs'
import { StoreError } from '@ryo-faas/runtime/documents'

/** errno.h and lmdb.h */
const EIO = 5
const FULL: readonly unknown[] = [28 /* ENOSPC */, 27 /* EFBIG */, 122 /* EDQUOT */, -30792 /* MDB_MAP_FULL */]
const MDB_PANIC = -30795
/** With less than this a disk is full to us. */
const ROOM_BYTES = 16 * 1024 * 1024

/**
 * @param path of the environment
 * @throws what it was given, if LMDB will not go on without being opened again
 */
export function translateFault(thrown: unknown, path: string): StoreError {
  if (thrown instanceof StoreError) return thrown
  const { code, message } = thrown as { code?: unknown; message?: string }
  if (code === MDB_PANIC) throw thrown
  // A full disk takes the beginning of a write, which LMDB reports as EIO.
  if (FULL.includes(code) || (code === EIO && !hasRoom(path))) {
    return new StoreError('STORAGE_FULL', `the disk is full (${message})`, { cause: thrown })
  }
  if (typeof code === 'number') {
    return new StoreError('STORAGE_FAILED', `the disk did not take the write (${message})`, { cause: thrown })
  }
  return new StoreError('INTERNAL', `the write failed: ${message}`, { cause: thrown })
}

function hasRoom(path: string): boolean {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize > ROOM_BYTES
}
