/**
 * Reads compressed fields (HPACK, RFC 7541), with the table that the client fills.
 *
 * Invariants: 1. The table has at most `MAX_TABLE_BYTES` as §4.1 counts them. 2. A list of fields that is larger than
 * `MAX_LIST_BYTES` is read to its end, because it may fill the table, but not kept: a block of one byte per field says
 * nothing that costs more than that byte. 3. A block that leaves the table as it was means the same when it comes
 * again: it is remembered until the table changes. Clients repeat themselves: that spares most of the work.
 */
import { CODE, ConnectionError } from './frames.ts'
import { decodeHuffman } from './huffman.ts'
import { STATIC_TABLE } from './static-table.ts'

/** What a client may use without being told. */
const MAX_TABLE_BYTES = 4096
/** As large as a head of HTTP/1.1 may be. */
export const MAX_LIST_BYTES = 16 * 1024
const FIELD_OVERHEAD_BYTES = 32
const MAX_REMEMBERED = 16
const MAX_REMEMBERED_BLOCK_BYTES = 256
const MAX_REMEMBERED_LIST_BYTES = 4096
/** RFC 7541 §5.1: more than any length that we take. */
const MAX_INTEGER = 0xff_ffff

/** Flat: name, value, … Or that there were too many. */
export type Fields = readonly string[] | 'too-large'

export class FieldDecoder<Meaning> {
  readonly #understand: (fields: Fields) => Meaning
  /** Newest first. */
  readonly #table: (readonly [name: string, value: string])[] = []
  #tableBytes = 0
  #maxTableBytes = MAX_TABLE_BYTES
  #hasChanged = false
  /** Of the latest list. */
  #listBytes = 0
  readonly #known = new Map<string, Meaning>()

  /** @param understand what a list of fields means; the same for the same list */
  constructor(understand: (fields: Fields) => Meaning) {
    this.#understand = understand
  }

  /** @throws ConnectionError compression */
  decode(block: Buffer): Meaning {
    const key = block.length <= MAX_REMEMBERED_BLOCK_BYTES ? block.toString('latin1', 0, block.length) : undefined
    const known = key === undefined ? undefined : this.#known.get(key)
    if (known !== undefined) return known
    this.#hasChanged = false
    const meaning = this.#understand(this.#read(block))
    if (this.#hasChanged) this.#known.clear()
    else if (key !== undefined && this.#listBytes <= MAX_REMEMBERED_LIST_BYTES) {
      if (this.#known.size >= MAX_REMEMBERED) this.#known.clear()
      this.#known.set(key, meaning)
    }
    return meaning
  }

  #read(block: Buffer): Fields {
    const cursor = new Cursor(block)
    const fields: string[] = []
    let bytes = 0
    let mayResize = true
    while (!cursor.isDone) {
      const first = cursor.peek()
      let field: readonly [name: string, value: string]
      if (first >= 0x80) {
        field = this.#at(cursor.integer(7))
      } else if (first >= 0x40) {
        field = this.#literal(cursor, 6)
        this.#add(field)
      } else if (first >= 0x20) {
        if (!mayResize) throw broken('the table is resized within a block')
        this.#resize(cursor.integer(5))
        continue
      } else {
        field = this.#literal(cursor, 4)
      }
      mayResize = false
      bytes += sizeOf(field)
      if (bytes <= MAX_LIST_BYTES) fields.push(field[0], field[1])
      else fields.length = 0
    }
    this.#listBytes = bytes
    return bytes <= MAX_LIST_BYTES ? fields : 'too-large'
  }

  #literal(cursor: Cursor, prefixBits: number): readonly [string, string] {
    const index = cursor.integer(prefixBits)
    return [index === 0 ? cursor.text() : this.#at(index)[0], cursor.text()]
  }

  #at(index: number): readonly [string, string] {
    const field = index <= STATIC_TABLE.length ? STATIC_TABLE[index - 1] : this.#table[index - STATIC_TABLE.length - 1]
    if (field === undefined) throw broken('a field that is not in the table')
    return field
  }

  #add(field: readonly [string, string]): void {
    this.#hasChanged = true
    this.#tableBytes += sizeOf(field)
    this.#table.unshift(field)
    this.#evict()
  }

  #resize(bytes: number): void {
    if (bytes > MAX_TABLE_BYTES) throw broken('a table that is too large')
    this.#hasChanged = true
    this.#maxTableBytes = bytes
    this.#evict()
  }

  #evict(): void {
    while (this.#tableBytes > this.#maxTableBytes) this.#tableBytes -= sizeOf(this.#table.pop()!)
  }
}

class Cursor {
  readonly #block: Buffer
  #at = 0

  constructor(block: Buffer) {
    this.#block = block
  }

  get isDone(): boolean {
    return this.#at >= this.#block.length
  }

  peek(): number {
    return this.#block[this.#at]!
  }

  /** RFC 7541 §5.1. */
  integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1
    let value = this.#byte() & most
    if (value < most) return value
    for (let shift = 0; ; shift += 7) {
      const byte = this.#byte()
      value += (byte & 0x7f) * 2 ** shift
      if (value > MAX_INTEGER || shift > 28) throw broken('a number that is too large')
      if (byte < 0x80) return value
    }
  }

  /** RFC 7541 §5.2. */
  text(): string {
    const isHuffman = this.#at < this.#block.length && this.peek() >= 0x80
    const length = this.integer(7)
    const from = this.#at
    const to = from + length
    if (to > this.#block.length) throw broken('a text that is cut off')
    this.#at = to
    return isHuffman ? decodeHuffman(this.#block, from, to) : this.#block.toString('latin1', from, to)
  }

  #byte(): number {
    const byte = this.#block[this.#at++]
    if (byte === undefined) throw broken('a number that is cut off')
    return byte
  }
}

function sizeOf([name, value]: readonly [string, string]): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES
}

function broken(message: string): ConnectionError {
  return new ConnectionError(CODE.compression, message)
}
