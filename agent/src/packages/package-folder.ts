/** A built version on disk as a package: its manifest, made by reading every file once. */
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import pLimit from 'p-limit'
import { MAX_PACKAGE_BYTES, PackageManifest, plainIssue, RyoFaasError, type PackageFile } from '../contract/index.ts'
import { machineCodeOf } from './machine-code.ts'
import { thisMachine } from './this-machine.ts'

const AT_ONCE = 8

export interface FolderPackage {
  /** Absolute: the code folder. */
  dir: string
  manifest: PackageManifest
}

/**
 * @param about what no file says
 * @throws RyoFaasError PACKAGE_INVALID if it is too large, or has a path that does not exist on every system
 */
export async function packageOf(
  dir: string,
  about: Omit<PackageManifest, 'format' | 'files' | 'builtOn'>,
): Promise<FolderPackage> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const paths = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const sizes = await Promise.all(paths.map(async path => (await stat(path)).size))
  if (sizes.reduce((sum, size) => sum + size, 0) > MAX_PACKAGE_BYTES) {
    throw new RyoFaasError('PACKAGE_INVALID', `${about.name} is larger than ${MAX_PACKAGE_BYTES / 1024 ** 3} GB`, {
      hint: 'ryo-faas deploy --explain shows what it is made of.',
    })
  }
  const limit = pLimit(AT_ONCE)
  const files = await Promise.all(paths.map(path => limit(() => fileOf(dir, path))))
  const builtOn = files.some(({ machine }) => machine !== undefined) ? thisMachine() : undefined
  const parsed = PackageManifest.safeParse(
    {
      ...{ format: 1, ...about, ...(builtOn !== undefined && { builtOn }) },
      files: files.sort((a, b) => (a.path < b.path ? -1 : 1)),
    },
    { error: plainIssue },
  )
  if (parsed.success) return { dir, manifest: parsed.data }
  const { path, message } = parsed.error.issues[0]!
  const at = path[0] === 'files' && typeof path[1] === 'number' ? files[path[1]]?.path : path.join('.')
  throw new RyoFaasError('PACKAGE_INVALID', `${about.name} cannot be packaged: ${at ?? 'it'} ${message}`)
}

async function fileOf(dir: string, path: string): Promise<PackageFile> {
  const [content, { mode }] = await Promise.all([readFile(path), stat(path)])
  const machine = machineCodeOf(content)
  return {
    path: relative(dir, path).split(sep).join('/'),
    sha256: createHash('sha256').update(content).digest('hex'),
    size: content.length,
    ...((mode & 0o100) !== 0 && { executable: true as const }),
    ...(machine !== undefined && { machine }),
  }
}
