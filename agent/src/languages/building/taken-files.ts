/**
 * The files a function finds at run time next to its bundle. Invariants:
 *
 * 1. Included is every regular file of the package except `node_modules`, dotfiles, sources (they are in the bundle)
 *    and what only tools read (lock files, tsconfig, deploy.json); the `files` globs and `new URL('./x',
 *    import.meta.url)` add to that.
 * 2. `.env` files are never included: their variables reach the function as such.
 * 3. Of what is outside the package, the same files are included of packages in the same workspace whose code asks
 *    where it is, and files that code names by URL (`outside-files.ts`). Nothing else is, neither by `..` nor by a
 *    symbolic link.
 * 4. The amount is bounded; more is an error, never a subset.
 */
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, isAbsolute, join, relative, sep } from 'node:path'
import { glob } from 'tinyglobby'
import { RyoFaasError } from '../../contract/index.ts'

export interface TakenFile {
  /** Relative to the app, with `/`. */
  path: string
  /** Absolute. */
  source: string
  executable: boolean
  size: number
  mtimeMs: number
}

const MOST_FILES = 10_000
const MOST_BYTES = 100 * 1024 * 1024

const SOURCE = /\.[cm]?[jt]sx?$/
/** Often with secrets. */
const SETTINGS = /^\.env(?:\..*)?$/
const FOR_TOOLS =
  /^(?:deploy\.jsonc?|[tj]sconfig(?:\..+)?\.json|package-lock\.json|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|pnpm-workspace\.yaml|bun\.lockb?)$/

export interface PackageFiles {
  files: TakenFile[]
  notes: string[]
}

/** Every regular file of the package except `node_modules` and dotfiles, sorted. */
export async function packageFiles(packageDir: string): Promise<PackageFiles> {
  const collector = new Collector(packageDir)
  await walk(packageDir, '', collector)
  return collector.done()
}

export function isSource({ path }: Pick<TakenFile, 'path'>): boolean {
  return SOURCE.test(path)
}

/** The files of a package that are included by default. */
export function isReadAtRunTime({ path }: TakenFile): boolean {
  return !isSource({ path }) && !FOR_TOOLS.test(basename(path))
}

/** Files that the `files` globs of deploy.json name: in `node_modules` too, and dotfiles if a pattern names the dot. */
export async function globbedFiles(packageDir: string, patterns: string[]): Promise<PackageFiles> {
  const collector = new Collector(packageDir)
  if (patterns.length === 0) return collector.done()
  const outside = patterns.find(pattern => isAbsolute(pattern) || pattern.split(/[\\/]/).includes('..'))
  if (outside !== undefined) {
    throw new RyoFaasError('BUILD_FAILED', `"files" must stay inside the package, but "${outside}" does not`, {
      hint: `Patterns are relative to ${packageDir}; move the files there, or set packageDir to a folder that contains both`,
    })
  }
  const found = await glob(patterns, {
    cwd: packageDir,
    followSymbolicLinks: false,
    expandDirectories: true,
  })
  for (const path of found) await collector.addFrom(path.split(sep).join('/'))
  return collector.done()
}

/** One more file by its absolute path, if it is a regular file of the package. */
export async function referencedFile(packageDir: string, source: string): Promise<TakenFile | undefined> {
  const path = relative(packageDir, source).split(sep).join('/')
  const collector = new Collector(packageDir)
  if (!path.startsWith('..')) await collector.addFrom(path)
  return collector.done().files[0]
}

async function walk(dir: string, prefix: string, collector: Collector): Promise<void> {
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
    const path = prefix + entry.name
    if (entry.isDirectory()) await walk(join(dir, entry.name), `${path}/`, collector)
    else if (entry.isFile() || entry.isSymbolicLink()) await collector.add(path)
  }
}

class Collector {
  readonly #root: string
  readonly #files: TakenFile[] = []
  readonly #notes: string[] = []
  #bytes = 0
  #realRoot: string | undefined

  constructor(root: string) {
    this.#root = root
  }

  /** @param path of an entry in a folder that is known to be inside */
  async add(path: string): Promise<void> {
    const source = join(this.#root, path)
    const status = await lstat(source).catch(unlessMissing)
    if (status?.isSymbolicLink()) await this.addFrom(path)
    else if (status) this.#take(path, source, status)
  }

  /** Any part of the path may be a symbolic link. */
  async addFrom(path: string): Promise<void> {
    const source = join(this.#root, path)
    const target = await realpath(source).catch(unlessMissing)
    if (target === undefined) return
    this.#realRoot ??= await realpath(this.#root)
    const status = await stat(target)
    if (!target.startsWith(this.#realRoot + sep)) {
      this.#notes.push(`${path} is a symbolic link to outside the package: left out`)
    } else if (status.isFile()) {
      this.#take(path, source, status)
    } else {
      this.#notes.push(`${path} is a symbolic link to a folder: left out`)
    }
  }

  #take(
    path: string,
    source: string,
    status: { isFile(): boolean; mode: number; size: number; mtimeMs: number },
  ): void {
    if (!status.isFile()) return
    if (SETTINGS.test(basename(path))) {
      this.#notes.push(
        `${path} is not packaged: its variables are given to the function, the file would be readable in it`,
      )
      return
    }
    const { size, mtimeMs, mode } = status
    this.#files.push({ path, source, executable: (mode & 0o111) !== 0, size, mtimeMs })
    this.#bytes += size
    if (this.#files.length <= MOST_FILES && this.#bytes <= MOST_BYTES) return
    throw new RyoFaasError('BUILD_FAILED', `${this.#root} contains more than ${MOST_FILES} files or 100 MB`, {
      hint: 'Set packageDir in deploy.json to a folder with just the function',
    })
  }

  done(): PackageFiles {
    this.#files.sort((a, b) => (a.path < b.path ? -1 : 1))
    return { files: this.#files, notes: this.#notes }
  }
}

/** A file may vanish between being listed and being read: then it is ignored. */
function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
