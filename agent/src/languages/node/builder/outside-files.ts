/**
 * Files that a function finds at run time though they are outside its package: of packages in the same workspace, and
 * those that code outside names by URL. They are where their code looks for them (`placeInApp`).
 */
import { realpath, stat } from 'node:fs/promises'
import { relative, sep } from 'node:path'
import type { Bundled } from './esbuild-session.ts'
import { placeInApp } from './plain-paths.ts'
import { isReadAtRunTime, packageFiles, type TakenFile } from '../../building/index.ts'

export async function outsideFiles(
  packageDir: string,
  { placed, references, readable }: Pick<Bundled, 'placed' | 'references' | 'readable'>,
): Promise<TakenFile[]> {
  const isOutside = (path: string) => !path.startsWith(packageDir + sep)
  const place = (file: TakenFile): TakenFile => ({ ...file, path: placeInApp(relative(packageDir, file.source)) })
  const modules = [...placed].filter(isOutside)
  const shared = [...readable.linked].filter(folder => modules.some(path => path.startsWith(folder + sep)))
  const taken = await Promise.all(
    shared.filter(isOutside).map(async folder => (await packageFiles(folder)).files.filter(isReadAtRunTime)),
  )
  const named = await Promise.all([...references].filter(isOutside).map(path => namedFile(path, readable)))
  return [...taken.flat(), ...named.flat()].map(place)
}

async function namedFile(source: string, readable: Bundled['readable']): Promise<TakenFile[]> {
  const real = await realpath(source).catch(() => undefined)
  if (real === undefined || !readable.holds(real)) return []
  const status = await stat(real)
  if (!status.isFile()) return []
  const { size, mtimeMs, mode } = status
  return [{ path: '', source, size, mtimeMs, executable: (mode & 0o111) !== 0 }]
}
