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
import { open, type asBinary, type Database, type RootDatabase } from 'lmdb'

export type Bytes = Database<Buffer, Buffer>
/** Values are UTF-8. Read as text: a `Buffer` of its own for each value costs five times as much as the rest of a read. */
export type Texts = Database<string, Buffer>
/** Takes values that are encoded already, too. */
export interface EncodedTexts extends Texts {
  putSync(key: Buffer, value: string | ReturnType<typeof asBinary>): void
}

export interface Environment {
  path: string
  root: RootDatabase<Buffer, Buffer>
  documents: EncodedTexts
  versions: Texts
  index: Bytes
  log: Bytes
  tables: Texts
  state: Texts
}

/** Address space, not memory or disk; where a file is made as large as its map (Windows), it grows as needed. */
const MAP_BYTES = process.platform === 'win32' ? undefined : 512 * 1024 ** 3
/** For a new environment; an old one keeps its own. With twice LMDB's default a commit has fewer places to write to. */
const PAGE_BYTES = 8_192
const BYTES = { encoding: 'binary', keyEncoding: 'binary' } as const
const TEXTS = { encoding: 'string', keyEncoding: 'binary' } as const

export function openEnvironment(path: string): Environment {
  const root = open<Buffer, Buffer>({
    path,
    ...BYTES,
    maxDbs: 8,
    maxReaders: 64,
    pageSize: PAGE_BYTES,
    // A commit returns once it is on disk.
    overlappingSync: false,
    ...(MAP_BYTES !== undefined && { mapSize: MAP_BYTES }),
  })
  const bytes = (name: string) => root.openDB<Buffer, Buffer>({ name, ...BYTES })
  const texts = (name: string) => root.openDB<string, Buffer>({ name, ...TEXTS })
  return {
    path,
    root,
    documents: texts('documents'),
    versions: texts('versions'),
    index: bytes('index'),
    log: bytes('log'),
    tables: texts('tables'),
    state: texts('state'),
  }
}
