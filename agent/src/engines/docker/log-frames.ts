/**
 * The frames of a container's output: 8 bytes of head (stream, three zeros, length in big-endian), then that many bytes
 * of output (Docker Engine API, `ContainerAttach`, "Stream format").
 *
 * Why not the modem's `demuxStream`: it calls itself for every frame and copies the rest of the buffer each time, so
 * that a few thousand lines in one answer crash the process.
 */
import type { LogLine } from '../../contract/index.ts'

export interface LogFrame {
  stream: LogLine['stream']
  data: Buffer
}

const HEAD_BYTES = 8
const STDERR = 2

export async function* logFrames(source: AsyncIterable<Buffer>): AsyncGenerator<LogFrame> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUInt32BE(at + 4)
      if (end > bytes.length) break
      yield { stream: bytes[at] === STDERR ? 'stderr' : 'stdout', data: bytes.subarray(at + HEAD_BYTES, end) }
      at = end
    }
    rest = bytes.subarray(at)
  }
}
