/**
 * Notes about files that the code names and will not find. The working directory of a function is its package, and
 * hidden files stay behind; a string in the sources that is the path of such a file is most likely read.
 */
import { readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { manifestDirOf } from './locked-project.ts'
import { isSource, type TakenFile } from '../../building/index.ts'

/** A relative path of a file: with a folder or an ending, and nothing that only an import has. */
const PATHS = /(["'`])(?:\.\/)?((?:[\w.@-]+\/)*[\w.@-]*\.[\w-]+)\1/g

export async function unfoundReads(
  { packageDir, rootDir }: { packageDir: string; rootDir: string },
  files: TakenFile[],
  taken: TakenFile[],
): Promise<string[]> {
  const present = new Set(taken.map(({ path }) => path))
  const above = new Set([manifestDirOf(packageDir, rootDir), rootDir].filter(folder => folder !== packageDir))
  const notes = new Set<string>()
  for (const file of files) {
    if (!isSource(file)) continue
    const text = await readFile(file.source, 'utf8')
    for (const [, , path = ''] of text.matchAll(PATHS)) {
      if (present.has(path) || path.split('/').includes('..') || isSource({ path })) continue
      if (await isFile(join(packageDir, path))) {
        if (isHidden(path) && !/^\.env(?:\.|$)/.test(path))
          notes.add(
            `${file.path} names ${path}, a hidden file, which is not included: add it to "files" in deploy.json`,
          )
        continue
      }
      for (const folder of above) {
        if (!(await isFile(join(folder, path)))) continue
        const there = relative(folder, packageDir)
        notes.add(
          `${file.path} names ${path}, which is not there at run time: the working directory is packageDir (${there}). Read it by new URL(…, import.meta.url), or set packageDir to a folder that contains it`,
        )
      }
    }
  }
  return [...notes].sort()
}

function isHidden(path: string): boolean {
  return path.split('/').some(part => part.startsWith('.'))
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    status => status.isFile(),
    () => false,
  )
}
