/**
 * Built packages that were uploaded, by content: `<folder>/manifests/<digest>.json` and `<folder>/contents/<sha256>`.
 * Invariants:
 *
 * 1. Under the name of a digest there is what has this digest, or nothing: contents are written under a temporary name,
 *    hashed while they come, and renamed when they are whole. What is killed in between leaves a temporary file.
 * 2. Only files of announced packages are taken, of the size that was announced: nobody fills the disk with more than
 *    `MAX_WAITING_BYTES` that nothing was deployed from.
 * 3. A version is placed from contents that are proved again if their file was touched since: what a function or a disk
 *    has damaged is removed and asked for again, and is never run.
 * 4. What no kept version needs is removed once it is older than `KEPT_MS`; an upload may be resumed until then.
 */
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, constants, copyFile, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pLimit from 'p-limit'
import { digestOf, manifestText, PackageManifest, RyoFaasError, type PackageFile } from '../contract/index.ts'
import { KeyedQueue, readIfPresent, writeDurably } from '../host/index.ts'
import type { FolderPackage } from './package-folder.ts'
import { checkedBytes, contentEntries, invalid } from './contents-tar.ts'

export const MAX_WAITING_BYTES = 4 * 1024 * 1024 * 1024
const KEPT_MS = 24 * 3600_000
const AT_ONCE = 16
const CHANGING = 'changing'

export interface PlacedPackage {
  manifest: PackageManifest
  /** Absolute; replaced as a whole. */
  versionDir: string
  /** Whether whoever runs it could write into its files: they are not shared then. */
  isWritable: boolean
}

export class PackageStore {
  readonly #folder: string
  readonly #keptMs: number
  readonly #maxWaitingBytes: number
  /** Announcing and collecting exclude each other: what was said to be here stays. */
  readonly #queue = new KeyedQueue()
  /** Sizes of what was announced and is not here, by SHA-256. */
  readonly #wanted = new Map<string, number>()
  #known: Promise<Map<string, readonly Content[]>> | undefined
  /** Time of change of contents that are known to be right. */
  readonly #proved = new Map<string, number>()

  constructor(folder: string, { keptMs = KEPT_MS, maxWaitingBytes = MAX_WAITING_BYTES } = {}) {
    this.#folder = folder
    this.#keptMs = keptMs
    this.#maxWaitingBytes = maxWaitingBytes
  }

  /**
   * @param needed digests of the packages of all kept versions
   * @returns what must be uploaded before a deploy
   * @throws RyoFaasError PACKAGE_INVALID if too much waits for a deploy already
   */
  announce(
    manifests: readonly PackageManifest[],
    needed: ReadonlySet<string>,
  ): Promise<{ digests: string[]; missing: Content[] }> {
    return this.#queue.run(CHANGING, async () => {
      const digests = manifests.map(digestOf)
      const known = await this.#knownFiles()
      const announced = new Map(manifests.map(({ files }, index) => [digests[index]!, contentsOf(files)]))
      const bytes = waitingBytes(new Map([...known, ...announced]), needed)
      if (bytes > this.#maxWaitingBytes) {
        throw new RyoFaasError('PACKAGE_INVALID', `${bytes} bytes would wait here for a deploy, which is too much`, {
          hint: 'What is not deployed is removed after a day.',
        })
      }
      const limit = pLimit(AT_ONCE)
      const all = uniqueContents([...announced.values()].flat())
      const looked = await Promise.all(all.map(content => limit(async () => (await this.#has(content)) || content)))
      const missing = looked.filter(content => content !== true)
      for (const [index, manifest] of manifests.entries()) {
        await writeDurably(this.#manifestPath(digests[index]!), manifestText(manifest))
        known.set(digests[index]!, announced.get(digests[index]!)!)
      }
      for (const { sha256, size } of missing) this.#wanted.set(sha256, size)
      return { digests, missing }
    })
  }

  /**
   * @param tar of files named by their SHA-256
   * @throws RyoFaasError PACKAGE_INVALID for anything else than it says; PACKAGE_INCOMPLETE for what was not announced
   */
  async receive(tar: Readable): Promise<{ stored: number; bytes: number }> {
    let stored = 0
    let bytes = 0
    for await (const { name, size, content } of contentEntries(tar)) {
      await this.#receiveOne(name, size, content)
      stored++
      bytes += size
    }
    return { stored, bytes }
  }

  /**
   * Keeps what was built on this machine, as if it had been uploaded. Its files are moved here.
   * @param needed as for `announce`
   * @returns the folder of the contents
   */
  async adopt(built: readonly FolderPackage[], needed: ReadonlySet<string>): Promise<string> {
    const manifests = built.map(({ manifest }) => manifest)
    const { missing } = await this.announce(manifests, needed)
    const paths = new Map(
      built.flatMap(({ dir, manifest }) => manifest.files.map(({ sha256, path }) => [sha256, join(dir, path)])),
    )
    for (const { sha256 } of missing) {
      const source = paths.get(sha256)!
      await chmod(source, 0o644)
      await this.#keep(source, sha256)
    }
    return join(this.#folder, 'contents')
  }

  /** For what is not whole yet; what is left there is removed in time. */
  get unfinishedFolder(): string {
    return join(this.#folder, 'incoming')
  }

  /** @throws RyoFaasError PACKAGE_INCOMPLETE, PACKAGE_INVALID */
  async manifest(digest: string): Promise<PackageManifest> {
    const text = await readIfPresent(this.#manifestPath(digest))
    if (text === undefined) throw incomplete(`the package ${digest.slice(0, 12)} was not uploaded`)
    const parsed = PackageManifest.safeParse(parsedJson(text))
    if (parsed.success && digestOf(parsed.data) === digest) return parsed.data
    await rm(this.#manifestPath(digest), { force: true })
    throw new RyoFaasError('PACKAGE_INVALID', `the package ${digest.slice(0, 12)} is damaged on this machine`, {
      hint: 'Deploy again: it is uploaded again.',
    })
  }

  /**
   * Writes the files of a package as the folder `app` of a version, completely or not at all.
   * @throws RyoFaasError PACKAGE_INCOMPLETE
   */
  async place({ manifest, versionDir, isWritable }: PlacedPackage): Promise<{ dir: string; entry: string }> {
    const unfinished = `${versionDir}.tmp-${randomUUID().slice(0, 8)}`
    const limit = pLimit(AT_ONCE)
    try {
      await makeFolders(join(unfinished, 'app'), manifest.files)
      await Promise.all(
        manifest.files.map(file => limit(() => this.#placeOne(file, join(unfinished, 'app', file.path), isWritable))),
      )
      await rm(versionDir, { recursive: true, force: true })
      await rename(unfinished, versionDir)
      return { dir: join(versionDir, 'app'), entry: manifest.entry }
    } catch (error) {
      limit.clearQueue()
      await rm(unfinished, { recursive: true, force: true })
      throw error
    }
  }

  /** Removes what is old and not needed. @param needed as for `announce` */
  collect(needed: ReadonlySet<string>): Promise<{ freedBytes: number }> {
    return this.#queue.run(CHANGING, async () => {
      const before = Date.now() - this.#keptMs
      const isOld = async (path: string) => ((await stat(path).catch(() => undefined))?.mtimeMs ?? Infinity) <= before
      const known = await this.#knownFiles()
      for (const digest of known.keys()) {
        if (needed.has(digest) || !(await isOld(this.#manifestPath(digest)))) continue
        await rm(this.#manifestPath(digest), { force: true })
        known.delete(digest)
      }
      const used = new Set([...known.values()].flat().map(({ sha256 }) => sha256))
      let freedBytes = 0
      for (const folder of ['contents', 'incoming']) {
        for (const name of await this.#names(folder)) {
          const path = join(this.#folder, folder, name)
          if (used.has(name) || !(await isOld(path))) continue
          freedBytes += (await stat(path).catch(() => undefined))?.size ?? 0
          await rm(path, { recursive: true, force: true })
          this.#proved.delete(name)
        }
      }
      for (const sha256 of this.#wanted.keys()) if (!used.has(sha256)) this.#wanted.delete(sha256)
      return { freedBytes }
    })
  }

  async #receiveOne(sha256: string, size: number, content: Readable): Promise<void> {
    const wanted = this.#wanted.get(sha256)
    if (wanted === undefined) {
      // Another upload may have brought it in the meantime.
      if (await this.#has({ sha256, size })) return void content.resume()
      throw incomplete(`the file ${sha256.slice(0, 12)} belongs to no announced package`)
    }
    if (size !== wanted) throw invalid(`the file ${sha256.slice(0, 12)} has ${size} bytes instead of ${wanted}`)
    const unfinished = join(this.unfinishedFolder, `${sha256}.${randomUUID()}`)
    await mkdir(dirname(unfinished), { recursive: true, mode: 0o700 })
    try {
      await pipeline(content, checkedBytes({ sha256, size }), createWriteStream(unfinished, { mode: 0o644 }))
      await chmod(unfinished, 0o644)
      await synced(unfinished)
      await this.#keep(unfinished, sha256)
    } catch (error) {
      await rm(unfinished, { force: true })
      throw isOfDisk(error) ? unwritable(error) : RyoFaasError.from(error, 'PACKAGE_INVALID')
    }
  }

  /** @param unfinished a file that has this digest */
  async #keep(unfinished: string, sha256: string): Promise<void> {
    const path = this.#contentPath(sha256)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await rename(unfinished, path)
    this.#proved.set(sha256, (await stat(path)).mtimeMs)
    this.#wanted.delete(sha256)
  }

  async #placeOne(file: PackageFile, target: string, isWritable: boolean): Promise<void> {
    const { sha256, executable } = file
    const source = this.#contentPath(sha256)
    if (!(await this.#has(file)) || !(await this.#isProved(file))) {
      this.#wanted.set(sha256, file.size)
      throw incomplete(`${file.path} is missing on this machine`)
    }
    // Contents are not executable: such a file needs permissions of its own.
    if (!isWritable && executable !== true && (await link(source, target).then(() => true, isLinkable))) return
    await copyFile(source, target, constants.COPYFILE_FICLONE)
    await chmod(target, executable === true ? 0o755 : 0o644)
  }

  /** Whether it is there, as far as can be told without reading it. */
  async #has({ sha256, size }: Pick<PackageFile, 'sha256' | 'size'>): Promise<boolean> {
    const status = await stat(this.#contentPath(sha256)).catch(() => undefined)
    return status?.isFile() === true && status.size === size
  }

  async #isProved({ sha256 }: PackageFile): Promise<boolean> {
    const path = this.#contentPath(sha256)
    const { mtimeMs } = await stat(path)
    if (this.#proved.get(sha256) === mtimeMs) return true
    const hash = createHash('sha256')
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
    if (hash.digest('hex') !== sha256) {
      await rm(path, { force: true })
      return false
    }
    this.#proved.set(sha256, mtimeMs)
    return true
  }

  /** Of every package that was announced, by digest; read once. */
  #knownFiles(): Promise<Map<string, readonly Content[]>> {
    return (this.#known ??= (async () => {
      const known = new Map<string, readonly Content[]>()
      for (const name of await this.#names('manifests')) {
        const digest = /^([0-9a-f]{64})\.json$/.exec(name)?.[1]
        if (digest === undefined) continue
        const manifest = await this.manifest(digest).catch(() => undefined) // Damaged: it was removed.
        if (manifest !== undefined) known.set(digest, contentsOf(manifest.files))
      }
      return known
    })())
  }

  #names(folder: string): Promise<string[]> {
    return readdir(join(this.#folder, folder)).catch(() => [])
  }

  #contentPath(sha256: string): string {
    return join(this.#folder, 'contents', sha256)
  }

  #manifestPath(digest: string): string {
    return join(this.#folder, 'manifests', `${digest}.json`)
  }
}

interface Content {
  sha256: string
  size: number
}

function contentsOf(files: readonly PackageFile[]): Content[] {
  return uniqueContents(files)
}

function uniqueContents(all: readonly Content[]): Content[] {
  return [...new Map(all.map(({ sha256, size }) => [sha256, { sha256, size }])).values()]
}

/** Of packages that no kept version is made from. */
function waitingBytes(known: ReadonlyMap<string, readonly Content[]>, needed: ReadonlySet<string>): number {
  const used = new Set<string>()
  for (const digest of needed) for (const { sha256 } of known.get(digest) ?? []) used.add(sha256)
  const waiting = uniqueContents([...known.values()].flat()).filter(({ sha256 }) => !used.has(sha256))
  return waiting.reduce((sum, { size }) => sum + size, 0)
}

/** For everybody to read, whatever the umask: the function runs as another user. */
async function makeFolders(root: string, files: readonly PackageFile[]): Promise<void> {
  const folders = new Set([''])
  for (const { path } of files) {
    for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at))
  }
  // Those above come first.
  for (const folder of [...folders].sort()) {
    await mkdir(join(root, folder), { recursive: true })
    await chmod(join(root, folder), 0o755)
  }
}

async function synced(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Another file system, or too many links. */
function isLinkable(error: NodeJS.ErrnoException): false {
  if (error.code === 'EXDEV' || error.code === 'EMLINK' || error.code === 'EPERM') return false
  throw error
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isOfDisk(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}

function unwritable(error: NodeJS.ErrnoException): RyoFaasError {
  return new RyoFaasError('HOME_UNUSABLE', `the upload cannot be written: ${error.message}`, {
    hint: 'Free disk space or check the permissions of RYO_FAAS_HOME.',
    cause: error,
  })
}

function incomplete(message: string): RyoFaasError {
  return new RyoFaasError('PACKAGE_INCOMPLETE', message, { hint: 'Deploy again: it is uploaded again.' })
}
