/**
 * Checks LMDB's file before LMDB opens it: LMDB trusts what it maps, and missing pages crash the process.
 *
 * Layout (lmdb.h and mdb.c of the package `lmdb` 3, little endian): pages 0 and 1 begin with a header of 24 bytes, then
 * magic (4), version (4), address (8), map size (8), two database records of 48 bytes, of which the first begins with
 * the page size (4), the number of the last page (8) and of the transaction (8).
 */
import { closeSync, existsSync, ftruncateSync, fstatSync, openSync, readSync } from 'node:fs'

const MAGIC = 0xbeefc0de
const VERSION = 2
const OFFSETS = { magic: 24, version: 28, pageSize: 48, lastPage: 144 } as const
const HEAD_BYTES = 168

/**
 * Makes every page that the file claims to have readable; cut-off ones read as zeros, which LMDB detects.
 * @throws if it is not a database of this format.
 */
export function prepareDatabaseFile(path: string): void {
  if (!existsSync(path)) return
  const file = openSync(path, 'r+')
  try {
    const first = readHead(file, 0)
    const pageSize = first.readUInt32LE(OFFSETS.pageSize)
    const second = readHead(file, pageSize)
    const lastPage = Math.max(...[first, second].map(head => Number(head.readBigUInt64LE(OFFSETS.lastPage))))
    const bytes = (lastPage + 1) * pageSize
    if (fstatSync(file).size < bytes) ftruncateSync(file, bytes)
  } finally {
    closeSync(file)
  }
}

function readHead(file: number, position: number): Buffer {
  const head = Buffer.alloc(HEAD_BYTES)
  readSync(file, head, 0, HEAD_BYTES, position)
  if (head.readUInt32LE(OFFSETS.magic) !== MAGIC || head.readUInt32LE(OFFSETS.version) !== VERSION) {
    throw new Error('not a trace database, or an incompatible format')
  }
  return head
}
