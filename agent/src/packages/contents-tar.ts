/**
 * Reads a tar of files that are named by their SHA-256, as uploads and artefacts are. Whatever else a tar may hold
 * (folders, links, devices, paths) is refused, so that no name in it ever becomes a path; and nothing is held in memory.
 */
import { createHash } from 'node:crypto'
import { pipeline, Transform, type Readable } from 'node:stream'
import { extract } from 'tar-stream'
import { MAX_PACKAGE_BYTES, RyoFaasError } from '../contract/index.ts'

export interface TarEntry {
  name: string
  size: number
  /** Place of its content in the tar. */
  start: number
  /** To be read to its end before the next one. */
  content: Readable
}

/** Of a file: its head, and what fills its last block. */
const HEAD_BYTES = 2_048
/** Of a tar, such as the zeros at its end. */
const MAX_BESIDE_FILES = 1024 * 1024
const PIECE_BYTES = 64 * 1024
const SHA256 = /^[0-9a-f]{64}$/

/** @throws RyoFaasError PACKAGE_INVALID */
export async function* contentEntries(tar: Readable): AsyncGenerator<TarEntry> {
  for await (const entry of plainEntries(tar)) {
    if (!SHA256.test(entry.name)) throw invalid(`"${shown(entry.name)}" is not the SHA-256 of a file`)
    yield entry
  }
}

/** @throws RyoFaasError PACKAGE_INVALID */
export async function* plainEntries(tar: Readable): AsyncGenerator<TarEntry> {
  const reader = extract()
  let allowed = MAX_BESIDE_FILES
  // In pieces, so that what a head allows is known before what follows it is counted.
  async function* bounded() {
    for await (const chunk of tar as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = chunk.subarray(at, at + PIECE_BYTES)
        allowed -= piece.length
        if (allowed < 0) throw new Error('it holds more than its files')
        yield piece
      }
    }
  }
  pipeline(bounded, reader as unknown as NodeJS.WritableStream, () => undefined)
  try {
    for await (const entry of reader) {
      const { name, type, size = 0 } = entry.header
      if (type !== 'file') throw invalid(`"${shown(name)}" is a ${type}, and only files are taken`)
      if (size > MAX_PACKAGE_BYTES) throw invalid(`"${shown(name)}" has ${size} bytes, more than ${MAX_PACKAGE_BYTES}`)
      allowed += size + HEAD_BYTES
      // The types do not tell of it.
      const { byteOffset: start } = entry.header as unknown as { byteOffset: number }
      yield { name, size, start, content: entry as unknown as Readable }
    }
  } catch (error) {
    throw error instanceof RyoFaasError ? error : invalid(`it cannot be read: ${(error as Error).message}`, error)
  } finally {
    reader.destroy()
  }
}

/** Passes on what has this size and digest, and fails at the first byte too many. */
export function checkedBytes({ sha256, size }: { sha256: string; size: number }): Transform {
  const hash = createHash('sha256')
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      hash.update(chunk)
      if (bytes <= size) done(null, chunk)
      else done(invalid(`the file ${sha256.slice(0, 12)} is longer than ${size} bytes`))
    },
    flush(done) {
      const isWhole = bytes === size && hash.digest('hex') === sha256
      done(isWhole ? null : invalid(`the file ${sha256.slice(0, 12)} is not what its digest says`))
    },
  })
}

export function invalid(message: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('PACKAGE_INVALID', message, { ...(cause !== undefined && { cause }) })
}

/** Of a name that anybody may have written. */
function shown(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')
}
