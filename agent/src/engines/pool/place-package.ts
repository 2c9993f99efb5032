/**
 * Brings a package to a waiting instance, which sees the folder read-only. Files are linked, not copied, where they have
 * the permissions they would have in an image.
 */
import { chmod, copyFile, link, lstat, mkdir, readdir, readlink, symlink } from 'node:fs/promises'
import { join } from 'node:path'

const MAY_RUN = 0o755
const PLAIN = 0o644

/** @param to exists, and may hold other files */
export async function placePackage(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { withFileTypes: true })
  await Promise.all(
    entries.map(async entry => {
      const [source, target] = [join(from, entry.name), join(to, entry.name)]
      if (entry.isDirectory()) {
        await makeFolder(target)
        await placePackage(source, target)
      } else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
      else await placeFile(source, target)
    }),
  )
}

/** For everybody to read, whatever the umask. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true })
  await chmod(path, MAY_RUN)
}

async function placeFile(source: string, target: string): Promise<void> {
  const has = (await lstat(source)).mode & 0o7777
  const wanted = (has & 0o100) === 0 ? PLAIN : MAY_RUN
  if (has === wanted && (await link(source, target).then(() => true, isLinkable))) return
  await copyFile(source, target)
  await chmod(target, wanted)
}

/** Another file system, or too many links. */
function isLinkable(error: NodeJS.ErrnoException): false {
  if (error.code === 'EXDEV' || error.code === 'EMLINK' || error.code === 'EPERM') return false
  throw error
}
