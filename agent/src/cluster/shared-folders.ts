/**
 * Folders of versions, for agents on other machines.
 *
 * Invariants: 1. a folder appears whole or not at all, and is replaced as a whole. 2. beside its files it has a mark that
 * says what is in it, so that a folder of the same name that another agent made is told apart. 3. the mark is written last
 * by who made the folder, and is part of what is put in place.
 */
import { randomUUID } from 'node:crypto'
import { chmod, lstat, mkdir, readdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import pLimit from 'p-limit'
import { z } from 'zod'
import { BusError } from '../bus/index.ts'
import { readIfPresent, writeDurably } from '../host/index.ts'
import type { Content, Contents } from './contents.ts'

/** What is in a folder: a content itself. */
const FolderManifest = z.object({
  files: z.array(
    z.union([
      z.object({
        path: z.string(),
        digest: z.string(),
        bytes: z.int().min(0),
        executable: z.literal(true).optional(),
      }),
      z.object({ path: z.string(), link: z.string() }),
    ]),
  ),
})
type FolderManifest = z.infer<typeof FolderManifest>
type SharedFile = FolderManifest['files'][number]

const MARK = '.shared'
const AT_ONCE = 16

export class SharedFolders {
  readonly #contents: Pick<Contents, 'put' | 'get'>
  readonly #limit = pLimit(AT_ONCE)

  constructor(contents: Pick<Contents, 'put' | 'get'>) {
    this.#contents = contents
  }

  /**
   * Brings a folder to the bus.
   * @returns what it can be placed from
   * @throws BusError
   */
  async put(folder: string): Promise<Content> {
    const paths = (await pathsIn(folder)).filter(path => path !== MARK)
    const files = await Promise.all(paths.map(path => this.#limit(() => this.#putFile(folder, path))))
    const manifest: FolderManifest = { files }
    const content = await this.#contents.put(Buffer.from(JSON.stringify(manifest)))
    await writeDurably(join(folder, MARK), content.digest, 0o644)
    return content
  }

  /** Whether the folder is there as it was put. */
  async has(folder: string, { digest }: Content): Promise<boolean> {
    return (await readIfPresent(join(folder, MARK)).catch(() => undefined)) === digest
  }

  /** Puts the folder in its place, unless it is there. @throws BusError */
  async place(folder: string, content: Content): Promise<void> {
    if (await this.has(folder, content)) return
    const { files } = await this.manifest(content)
    const unfinished = `${folder}.tmp-${randomUUID().slice(0, 8)}`
    try {
      for (const parent of parentsOf(files)) {
        await mkdir(join(unfinished, parent), { recursive: true })
        // For everybody to read, whatever the umask: the function runs as another user.
        await chmod(join(unfinished, parent), 0o755)
      }
      await Promise.all(files.map(file => this.#limit(() => this.#placeFile(unfinished, file))))
      await writeDurably(join(unfinished, MARK), content.digest, 0o644)
      await rm(folder, { recursive: true, force: true })
      await rename(unfinished, folder)
    } catch (error) {
      this.#limit.clearQueue()
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
  }

  /** Digests of all that a folder is placed from, its manifest too. @throws BusError */
  async digestsOf(content: Content): Promise<string[]> {
    const { files } = await this.manifest(content)
    return [content.digest, ...files.flatMap(file => ('digest' in file ? file.digest : []))]
  }

  async manifest(content: Content): Promise<FolderManifest> {
    const manifest = FolderManifest.parse(JSON.parse((await this.#contents.get(content)).toString()))
    // Whoever has the key may write anything here, but only into the folder.
    if (!manifest.files.some(({ path }) => leaves(path))) return manifest
    throw new BusError('REFUSED', `the folder ${content.digest.slice(0, 12)} has files outside of it`)
  }

  async #putFile(folder: string, path: string): Promise<SharedFile> {
    const full = join(folder, path)
    const status = await lstat(full)
    if (status.isSymbolicLink()) return { path, link: await readlink(full) }
    const content = await this.#contents.put(await readFile(full))
    return { path, ...content, ...(status.mode & 0o100 && { executable: true as const }) }
  }

  async #placeFile(folder: string, file: SharedFile): Promise<void> {
    const target = join(folder, file.path)
    if ('link' in file) return symlink(file.link, target)
    await writeFile(target, await this.#contents.get(file))
    await chmod(target, file.executable ? 0o755 : 0o644)
  }
}

/** Files and links below a folder, with `/`. Folders without any are left out. */
async function pathsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries
    .filter(entry => entry.isFile() || entry.isSymbolicLink())
    .map(entry =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
}

/** Those above come first. */
function parentsOf(files: readonly SharedFile[]): string[] {
  const parents = new Set([''])
  for (const { path } of files) {
    for (let at = dirname(path); at !== '.'; at = dirname(at)) parents.add(at)
  }
  return [...parents].sort()
}

function leaves(path: string): boolean {
  return path === '' || path.startsWith('/') || path.split('/').some(part => part === '..')
}
