import { open, readFile, stat, truncate } from 'node:fs/promises'

/**
 * Cuts a log file that has grown over `maxBytes` to the newer half, at a line's end. In place, because its writer
 * holds it open in append mode and would go on writing into a renamed one.
 */
export async function boundFile(path: string, maxBytes: number): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (!info || info.size <= maxBytes) return
  const content = await readFile(path)
  const start = content.indexOf(0x0a, content.length - Math.floor(maxBytes / 2)) + 1
  await truncate(path, 0)
  const file = await open(path, 'a')
  try {
    await file.write(content.subarray(start))
  } finally {
    await file.close()
  }
}
