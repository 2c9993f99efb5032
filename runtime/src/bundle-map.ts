/**
 * A source map that is searched in place (https://tc39.es/ecma426/). A decoded map, whether Node's `SourceMap` or a
 * library's, takes some 25 times the bytes of its file: 160 MB for a bundle of 12 MB, more than an instance has. This
 * one keeps the text of the mappings, marks a position every few hundred segments, and decodes from there.
 *
 * Everything counts from 0, as in the map; a stack counts from 1.
 */
export interface OriginalPlace {
  readonly source: string
  readonly line: number
  readonly column: number
}

const SEGMENTS_PER_MARK = 512

export class BundleMap {
  readonly #mappings: string
  readonly #sources: readonly (string | null)[]
  /** In bundle order, the first one at its start. */
  readonly #marks: Segments[] = []

  /** @param text content of the map file; throws if it is not a source map */
  constructor(text: string) {
    const { mappings, sources } = JSON.parse(text) as { mappings?: unknown; sources?: (string | null)[] }
    if (typeof mappings !== 'string' || !Array.isArray(sources)) throw new TypeError('not a source map')
    this.#mappings = mappings
    this.#sources = sources
    const segments = new Segments(mappings)
    for (let count = 0; segments.next(); count++) {
      if (count % SEGMENTS_PER_MARK === 0) this.#marks.push(segments.copy())
    }
  }

  /** Undefined for what has no source: code that the bundler made, and the runtime. */
  find(line: number, column: number): OriginalPlace | undefined {
    const segments = this.#marks.findLast(mark => mark.isUpTo(line, column))?.copy()
    if (segments === undefined) return undefined
    // The matching segment is the last one before the position, if it is on the same line.
    let last: Segments
    do last = segments.copy()
    while (segments.next() && segments.isUpTo(line, column))
    if (last.line !== line || !last.isMapped) return undefined
    const source = this.#sources[last.source]
    return source ? { source, line: last.originalLine, column: last.originalColumn } : undefined
  }
}

/** A cursor on one segment of the mappings; every number in them is the difference to the previous one. */
class Segments {
  line = 0
  column = 0
  isMapped = false
  source = 0
  originalLine = 0
  originalColumn = 0
  readonly #mappings: string
  #at = 0

  constructor(mappings: string) {
    this.#mappings = mappings
  }

  isUpTo(line: number, column: number): boolean {
    return this.line < line || (this.line === line && this.column <= column)
  }

  /** Moves to the next segment; false at the end. */
  next(): boolean {
    const mappings = this.#mappings
    for (; this.#at < mappings.length; this.#at++) {
      const code = mappings.charCodeAt(this.#at)
      if (code === SEMICOLON) {
        this.line++
        this.column = 0
      } else if (code !== COMMA) {
        this.#read()
        return true
      }
    }
    return false
  }

  copy(): Segments {
    const copy = new Segments(this.#mappings)
    copy.#at = this.#at
    copy.line = this.line
    copy.column = this.column
    copy.isMapped = this.isMapped
    copy.source = this.source
    copy.originalLine = this.originalLine
    copy.originalColumn = this.originalColumn
    return copy
  }

  #read(): void {
    this.column += this.#number()
    this.isMapped = !this.#isAtEnd()
    if (!this.isMapped) return
    this.source += this.#number()
    this.originalLine += this.#number()
    this.originalColumn += this.#number()
    if (!this.#isAtEnd()) this.#number() // A name, which is not used.
  }

  #isAtEnd(): boolean {
    const code = this.#mappings.charCodeAt(this.#at)
    return code === COMMA || code === SEMICOLON || Number.isNaN(code)
  }

  /** Base64 VLQ: five bits per digit, lowest first; the sixth says that more follow, the very first bit is the sign. */
  #number(): number {
    let value = 0
    for (let shift = 0; ; shift += 5) {
      const digit = DIGITS[this.#mappings.charCodeAt(this.#at++)]
      if (digit === undefined) throw new SyntaxError('not a source map')
      value += (digit & 31) << shift
      if (digit < 32) break
    }
    return (value & 1) === 0 ? value >>> 1 : -(value >>> 1)
  }
}

const COMMA = ','.charCodeAt(0)
const SEMICOLON = ';'.charCodeAt(0)
const DIGITS: readonly number[] = Array.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/').reduce<
  number[]
>((digits, character, value) => {
  digits[character.charCodeAt(0)] = value
  return digits
}, [])
