import { realpath } from 'node:fs/promises'
import { isAbsolute, relative, sep } from 'node:path'

/** Whether `path` lies in `folder`, with symbolic links resolved. */
export async function isInside(folder: string, path: string): Promise<boolean> {
  const follow = (target: string) => realpath(target).catch(() => target)
  const [realFolder, realPath] = await Promise.all([follow(folder), follow(path)])
  return within(folder, path) && (within(realFolder, realPath) || realPath === path)
}

function within(folder: string, path: string): boolean {
  const way = relative(folder, path)
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way))
}
