/**
 * Stamps what a process prints, in the CRI log format of container engines, one entry per line:
 *
 *     2026-01-01T00:00:00.000Z stdout F a whole line, or the end of one
 *     2026-01-01T00:00:00.000Z stdout P the start of a line that continues in the next entry of the same stream
 *
 * Nothing is held back: an unfinished line is written at once as `P`, so a crash loses no output. Only what passes
 * through `stream.write` is stamped; what goes to the file descriptor directly (a fatal error of Node itself,
 * `fs.write`, a child process) is not, so readers must accept lines without a stamp.
 */
const LINE_FEED = 0x0a

/** Replaces `stream.write`; `console` and everything else that writes to the stream goes through it. */
export function stampLogs(
  stream: NodeJS.WritableStream,
  name: 'stdout' | 'stderr',
  now: () => Date = () => new Date(),
): void {
  const write = stream.write.bind(stream)
  type Done = (error?: Error | null) => void

  function stamped(chunk: string | Uint8Array, encoding?: BufferEncoding | Done, done?: Done): boolean {
    const callback = typeof encoding === 'function' ? encoding : done
    const bytes = toBytes(chunk, typeof encoding === 'string' ? encoding : 'utf8')
    return write(stampLines(bytes, `${now().toISOString()} ${name}`), callback)
  }
  stream.write = stamped
}

function toBytes(chunk: string | Uint8Array, encoding: BufferEncoding): Buffer {
  return typeof chunk === 'string'
    ? Buffer.from(chunk, encoding)
    : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Works on bytes, so that a character split over two writes is whole again when the parts are joined. */
function stampLines(bytes: Buffer, prefix: string): Buffer {
  const whole = Buffer.from(`${prefix} F `)
  const entries: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, start)) {
    entries.push(whole, bytes.subarray(start, end + 1))
    start = end + 1
  }
  if (start < bytes.length) entries.push(Buffer.from(`${prefix} P `), bytes.subarray(start), Buffer.of(LINE_FEED))
  return Buffer.concat(entries)
}
