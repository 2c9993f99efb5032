/**
 * Files that must survive. Invariant: a reader sees the old content or the new, never a part of it; once `writeDurably`
 * has resolved, the new content survives a power loss (written to a temporary name, synced, renamed, folder synced).
 */
import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

export async function writeDurably(path: string, content: string, mode = 0o600): Promise<void> {
  await writeAtomically(path, content, { mode, sync: true })
  await syncFolder(dirname(path))
}

/** All or nothing, but without waiting for the disk: for what a power loss voids anyway, such as a process's record. */
export async function writeAtomically(
  path: string,
  content: string,
  options: { mode?: number; sync?: boolean } = {},
): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'w', options.mode ?? 0o600)
    try {
      await file.writeFile(content)
      if (options.sync) await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** The text of a file, or `undefined` if there is none. */
export async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return // A folder cannot be opened there; NTFS journals the rename.
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
