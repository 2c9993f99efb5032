import { open, stat } from 'node:fs/promises'

/**
 * Cuts a log file that has grown over `maxBytes` to its newest half of that, at a line's end if there is one. In place,
 * because its writer holds it open in append mode and would go on writing into a renamed one. Only what is kept is read.
 */
export async function boundFile(path: string, maxBytes: number): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (!info || info.size <= maxBytes) return
  const kept = Buffer.alloc(Math.floor(maxBytes / 2))
  const file = await open(path, 'a+')
  try {
    const { bytesRead } = await file.read(kept, 0, kept.length, info.size - kept.length)
    await file.truncate(0)
    const newest = kept.subarray(0, bytesRead)
    // Appended: the writer may have written meanwhile.
    await file.appendFile(newest.subarray(newest.indexOf(0x0a) + 1))
  } finally {
    await file.close()
  }
}
