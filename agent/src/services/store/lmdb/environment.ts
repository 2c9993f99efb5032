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
import { type asBinary, type Database, open, type RootDatabase } from 'lmdb'

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

const START_BYTES = 1024 * 1024
/** In UTF-8 a UTF-16 unit takes at most three bytes. */
const BYTES_PER_UNIT = 3
const DIGEST_BYTES = 4

/**
 * Encodes texts into one buffer that is used over and over: LMDB copies a value while it is put. Saves an allocation and
 * a look-up of its address for every value.
 */
export class Scratch {
  #buffer = Buffer.from(new ArrayBuffer(START_BYTES))

  /** Valid until the next call. @param digest 4 bytes in front */
  encode(text: string, digest?: number): Buffer {
    const needed = text.length * BYTES_PER_UNIT + DIGEST_BYTES
    if (needed > this.#buffer.length) this.#buffer = Buffer.from(new ArrayBuffer(needed * 2))
    const from = digest === undefined ? 0 : this.#buffer.writeUInt32BE(digest, 0)
    return this.#buffer.subarray(0, from + this.#buffer.write(text, from))
  }
}
