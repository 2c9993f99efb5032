/** Folders of files: put into another place without copying their bytes, and as what goes into a backup. */
import { createReadStream } from 'node:fs'
import { copyFile, link, lstat, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Found } from './archive.ts'

/** Where a file system, or its rules, do not allow links. */
const NO_LINKS = new Set(['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS'])
/** As `host/durable-file.ts` names what it is writing. */
const HALF_WRITTEN = /\.\d+\.[0-9a-f]{8}\.tmp$/

/**
 * Makes hard links of files that are replaced and never written to, so that they stay however soon they are removed in
 * their own place. What is gone meanwhile is left out.
 */
export async function linkTree(from: string, to: string): Promise<void> {
  const about = await lstat(from).catch(ignoreMissing)
  if (about === undefined || HALF_WRITTEN.test(from)) return
  if (about.isDirectory()) {
    await mkdir(to, { recursive: true, mode: about.mode & 0o777 })
    const names = (await readdir(from).catch(ignoreMissing)) ?? []
    for (const name of names) await linkTree(join(from, name), join(to, name))
    return
  }
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  if (about.isSymbolicLink()) {
    const target = await readlink(from).catch(ignoreMissing)
    if (target !== undefined) await symlink(target, to)
  } else if (about.isFile()) {
    await link(from, to).catch(async (error: NodeJS.ErrnoException) => {
      if (!NO_LINKS.has(error.code ?? '')) return ignoreMissing(error)
      await copyFile(from, to).catch(ignoreMissing)
    })
  }
}

/** Everything under a folder, parents first, in the order of their names. */
export async function* filesUnder(folder: string, under = ''): AsyncGenerator<Found> {
  for (const file of (await readdir(join(folder, under))).sort()) {
    const name = under === '' ? file : `${under}/${file}`
    const path = join(folder, name)
    const { mode, mtimeMs, size, dev, ino, ...about } = await lstat(path).then(found => ({
      ...found,
      isFolder: found.isDirectory(),
      isLink: found.isSymbolicLink(),
      isFile: found.isFile(),
    }))
    const shared = { name, mode: mode & 0o777, mtimeMs }
    if (about.isFolder) {
      yield { type: 'folder', ...shared }
      yield* filesUnder(folder, name)
    } else if (about.isLink) {
      yield { type: 'link', name, target: await readlink(path) }
    } else if (about.isFile) {
      // As long as it was when it was looked at: a function may write into its own folder.
      const open = () => createReadStream(path, { end: size - 1 })
      yield { type: 'file', ...shared, size, inode: `${dev}:${ino}`, open }
    }
  }
}

export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined
  throw error
}
