import { open, type FileHandle } from 'node:fs/promises'
import { StringDecoder } from 'node:string_decoder'

const ANCHOR_BYTES = 64
const NOTHING = Buffer.alloc(0)

/**
 * Follows a file that another process appends to and `boundFile` sometimes cuts. Invariant: the texts of all reads
 * since the last cut add up to the file; a character split over two reads is in the second.
 */
export class GrowingFile {
  readonly #path: string
  #offset = 0
  /** The last bytes before the offset: they differ if the file was cut and has grown past it again. */
  #anchor: Buffer = NOTHING
  #decoder = new StringDecoder('utf8')

  constructor(path: string) {
    this.#path = path
  }

  /** What was added since the last call; the whole file if it was cut since. */
  async readOn(): Promise<{ text: string; wasCut: boolean }> {
    const file = await open(this.#path, 'r').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (!file) return { text: '', wasCut: false }
    try {
      const start = this.#offset - this.#anchor.length
      let bytes = await readFrom(file, start)
      const wasCut = !bytes.subarray(0, this.#anchor.length).equals(this.#anchor)
      if (wasCut) {
        this.#decoder = new StringDecoder('utf8')
        this.#offset = 0
        this.#anchor = NOTHING
        bytes = await readFrom(file, 0)
      }
      const added = bytes.subarray(this.#anchor.length)
      this.#offset += added.length
      // A copy: a view would keep the whole buffer alive.
      this.#anchor = Buffer.from(bytes.subarray(-ANCHOR_BYTES))
      return { text: this.#decoder.write(added), wasCut }
    } finally {
      await file.close()
    }
  }
}

async function readFrom(file: FileHandle, start: number): Promise<Buffer> {
  const { size } = await file.stat()
  const buffer = Buffer.alloc(Math.max(0, size - start))
  const { bytesRead } = await file.read(buffer, 0, buffer.length, start)
  return buffer.subarray(0, bytesRead)
}
