/**
 * The LMDB environment and what lies in it. Opened once in every thread that reads or writes; LMDB lets one write at a
 * time and never makes a reader wait.
 *
 * | database | key | value |
 * |---|---|---|
 * | documents | space of the table, id | the document's JSON text, as it is answered |
 * | versions | space, id | last version and event of a deleted document, as long as the log has that event |
 * | index | number of the index, order key of the value, id | nothing |
 * | log | sequence | digest of the table's name, the event's JSON text |
 * | tables | name of the table | `TableRecord` |
 * | state | name | JSON |
 *
 * A table that is dropped loses its number at once (`space`), and what lies under it is swept away later.
 */
import { open, type Database, type RootDatabase } from 'lmdb'

export type Bytes = Database<Buffer, Buffer>

export interface Environment {
  path: string
  root: RootDatabase<Buffer, Buffer>
  documents: Bytes
  versions: Bytes
  index: Bytes
  log: Bytes
  tables: Bytes
  state: Bytes
}

/** Address space, not memory or disk; where a file is made as large as its map (Windows), it grows as needed. */
const MAP_BYTES = process.platform === 'win32' ? undefined : 512 * 1024 ** 3
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const

export function openEnvironment(path: string): Environment {
  const root = open<Buffer, Buffer>({
    path,
    ...BINARY,
    maxDbs: 8,
    maxReaders: 64,
    // A commit returns once it is on disk.
    overlappingSync: false,
    ...(MAP_BYTES !== undefined && { mapSize: MAP_BYTES }),
  })
  const database = (name: string) => root.openDB<Buffer, Buffer>({ name, ...BINARY })
  return {
    path,
    root,
    documents: database('documents'),
    versions: database('versions'),
    index: database('index'),
    log: database('log'),
    tables: database('tables'),
    state: database('state'),
  }
}
