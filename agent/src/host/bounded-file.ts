import { constants, open, stat } from 'node:fs/promises'

/**
 * Cuts a log file that has grown beyond `maxBytes` to the newest half of that, at a line break if there is one. In
 * place, because its writer has it open in append mode and would keep writing into a renamed one. Reads only what it
 * keeps.
 */
export async function boundFile(path: string, maxBytes: number): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (!info || info.size <= maxBytes) return
  const kept = Buffer.alloc(Math.floor(maxBytes / 2))
  // Not created, should it be removed meanwhile: its folder may be on its way out.
  const file = await open(path, constants.O_RDWR | constants.O_APPEND).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return
  try {
    const { bytesRead } = await file.read(kept, 0, kept.length, info.size - kept.length)
    await file.truncate(0)
    const newest = kept.subarray(0, bytesRead)
    // Appended: the writer may have written in the meantime.
    await file.appendFile(newest.subarray(newest.indexOf(0x0a) + 1))
  } finally {
    await file.close()
  }
}
