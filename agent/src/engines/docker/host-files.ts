/**
 * The files of this machine that make an image for programs of this machine: the programs and folders that were named,
 * where they are here, and the libraries that they and what is in the folders are linked with.
 */
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { placeInImage, RyoFaasError } from '../../contract/index.ts'
import { linkedLibraries, withRest } from './linked-libraries.ts'

/** A file of this machine, and where it is in the image. */
export interface ImageFile {
  path: string
  name: string
}

/** In a library of Python, what only developers use; packages are in a folder of their own. */
const NOT_TAKEN = /^(?:site-packages|dist-packages|test|idlelib|turtledemo|ensurepip|lib2to3|config-.+)$/
const LIBRARY = /\.so(?:\.\d+)*$/
/** As one command line. */
const AT_ONCE = 500

/** @throws RyoFaasError BASE_IMAGE_UNAVAILABLE if one of them is gone */
export async function hostFiles(paths: readonly string[]): Promise<ImageFile[]> {
  const programs: string[] = []
  const inFolders: string[] = []
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined)
    if (info === undefined) {
      throw new RyoFaasError('BASE_IMAGE_UNAVAILABLE', `${path} is gone from this machine`, {
        hint: 'Deploy the function again.',
      })
    }
    if (info.isDirectory()) inFolders.push(...(await filesBelow(path)))
    else programs.push(path)
  }
  const linked = [...programs, ...inFolders.filter(path => LIBRARY.test(basename(path)))]
  const libraries = new Set<string>()
  for (let at = 0; at < linked.length; at += AT_ONCE) {
    for (const path of await linkedLibraries(linked.slice(at, at + AT_ONCE))) libraries.add(path)
  }
  const all = new Set([...programs, ...inFolders, ...withRest([...libraries])])
  return [...all].map(path => ({ path, name: placeInImage(path) }))
}

/** Where a link leads is what is taken. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries.map(async entry => {
      const path = join(folder, entry.name)
      if (entry.isDirectory()) return NOT_TAKEN.test(entry.name) ? [] : filesBelow(path)
      if (entry.isFile()) return [path]
      const target = await stat(path).catch(() => undefined)
      return target?.isFile() ? [path] : []
    }),
  )
  return found.flat().sort()
}
