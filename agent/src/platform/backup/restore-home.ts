/**
 * Puts a backup into a home in which no platform runs. Invariants:
 *
 * 1. Until the whole backup is unpacked, proved and on disk, the home is as it was: all of it lies in `restoring`.
 * 2. Then `restoring/ready.json` appears, and from there on the restore is done: whatever is killed, the next restore or
 *    start of the platform moves what is left (`finishRestore`), and nothing starts on half of it.
 * 3. What was there before is moved to a folder next to it, never removed.
 */
import { createWriteStream } from 'node:fs'
import { access, chmod, copyFile, link, mkdir, open, readdir, rename, rm, symlink, utimes } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { homePaths } from '../../client/index.ts'
import { compareVersions, RyoFaasError } from '../../contract/index.ts'
import { acquireProcessLock, readIfPresent, writeDurably } from '../../host/index.ts'
import { beforeRestore, CERTIFICATES, closeHome, DATA, RESTORING } from '../home-data.ts'
import { readArchive, type BackupHead, type Item, type ReadBackup } from './archive.ts'

export interface RestoreOptions {
  home: string
  /** Of this release. */
  version: string
  /** Whether what is in the home may be moved aside. */
  replace: boolean
  /** The backup must have it. */
  digest?: string | undefined
}

export interface Restored extends BackupHead {
  digest: string
  bytes: number
  /** Where the data is now that was there before. */
  before?: string
}

/** What is to be moved: these names, and where to what is there now goes. */
const Ready = z.object({ names: z.array(z.string()), before: z.string() })

/**
 * @throws RyoFaasError BACKUP_INVALID, UNSUPPORTED for one of a later release, HOME_NOT_EMPTY, ALREADY_RUNNING,
 *   HOME_UNUSABLE without room on the disk
 */
export async function restoreHome(source: Readable, options: RestoreOptions): Promise<Restored> {
  const { home, replace } = options
  await mkdir(home, { recursive: true, mode: 0o700 })
  const paths = homePaths(home)
  const lock = await acquireProcessLock(paths.lock)
  try {
    const isStarted = (await readIfPresent(paths.options)) !== undefined
    if (lock.kind === 'held' || isStarted || (await readIfPresent(paths.agentFile)) !== undefined) throw running(home)
    await finishRestore(home)
    const present = await presentIn(home)
    if (present.length > 0 && !replace) throw notEmpty(home, present)
    await closeHome(home)
    const restoring = join(home, RESTORING)
    try {
      const read = await unpack(source, options)
      const before = beforeRestore(new Date())
      const names = [...new Set(read.items.map(({ name }) => name.split('/')[0]!))]
      await writeDurably(join(restoring, READY), JSON.stringify(Ready.parse({ names, before })))
      await finishRestore(home)
      const { head, digest, bytes } = read
      return { ...head, digest, bytes, ...((await isThere(join(home, before))) && { before: join(home, before) }) }
    } catch (error) {
      if ((await readIfPresent(join(restoring, READY))) === undefined) {
        await rm(restoring, { recursive: true, force: true })
      }
      throw translated(error)
    }
  } finally {
    if (lock.kind === 'acquired') await lock.release()
  }
}

/** What may be in a backup, by the first folder of its name. */
const RESTORED = [...DATA, CERTIFICATES]
const READY = 'ready.json'
const FILES = 'files'

/** Moves what a restore has unpacked to its place, if one was killed while it did. Called with the home's lock. */
export async function finishRestore(home: string): Promise<void> {
  const restoring = join(home, RESTORING)
  const text = await readIfPresent(join(restoring, READY))
  if (text !== undefined) {
    const { names, before } = Ready.parse(JSON.parse(text))
    for (const name of names.includes(CERTIFICATES) ? RESTORED : DATA) {
      const fresh = join(restoring, FILES, name)
      // Once the new one is in its place, it must not be taken for the old one.
      if (names.includes(name) && !(await isThere(fresh))) continue
      if (await isThere(join(home, name))) {
        await mkdir(join(home, before), { recursive: true, mode: 0o700 })
        await rename(join(home, name), join(home, before, name))
      }
      if (names.includes(name)) await rename(fresh, join(home, name))
    }
    await syncFolder(home)
  }
  // First what says that there is something to do.
  await rm(join(restoring, READY), { force: true })
  await rm(restoring, { recursive: true, force: true })
}

async function unpack(source: Readable, { home, version, digest }: RestoreOptions): Promise<ReadBackup> {
  const restoring = join(home, RESTORING)
  await rm(restoring, { recursive: true, force: true })
  const files = join(restoring, FILES)
  await mkdir(files, { recursive: true, mode: 0o700 })
  const read = await readArchive(
    source,
    {
      begin: head => {
        if (compareVersions(head.version, version) > 0) throw ofLaterRelease(head.version, version)
      },
      file: async name => {
        requireKnown(name)
        await mkdir(dirname(join(files, name)), { recursive: true, mode: 0o700 })
        return createWriteStream(join(files, name), { flags: 'wx', mode: 0o600, flush: true })
      },
    },
    digest,
  )
  await complete(files, read.items)
  await moveState(files, { from: read.head.home, to: home })
  return read
}

/** What the contents say beyond the files: the same files, folders, links, and of all of them mode and time. */
async function complete(files: string, items: readonly Item[]): Promise<void> {
  const at = (name: string) => join(files, name)
  for (const item of items) {
    requireKnown(item.name)
    if (item.type === 'folder') await mkdir(at(item.name), { recursive: true, mode: 0o700 })
    if (item.type !== 'file' || item.sameAs === undefined) continue
    await mkdir(dirname(at(item.name)), { recursive: true, mode: 0o700 })
    const [from, to] = [at(item.sameAs), at(item.name)]
    await link(from, to).catch(() => copyFile(from, to))
  }
  // Last, so that nothing is written through them.
  for (const item of items) if (item.type === 'link') await symlink(item.target, at(item.name))
  // From within: a folder may become one that cannot be written to.
  for (const item of [...items].reverse()) {
    if (item.type === 'link') continue
    if (item.type === 'folder') await syncFolder(at(item.name))
    await chmod(at(item.name), item.mode)
    await utimes(at(item.name), new Date(), new Date(item.mtimeMs))
  }
}

/** @throws RyoFaasError BACKUP_INVALID: nothing but data comes from a backup, such as no program */
function requireKnown(name: string): void {
  if (RESTORED.includes(name.split('/')[0]!)) return
  throw new RyoFaasError('BACKUP_INVALID', `the backup has a ${JSON.stringify(name)}, which no home has`)
}

/** The folders of versions in a state, whatever its format. */
export const VersionsOfState = z.looseObject({
  deployments: z.record(
    z.string(),
    z.looseObject({ versions: z.array(z.looseObject({ version: z.int(), dir: z.string() })) }),
  ),
})

/** Versions are named by absolute paths. */
async function moveState(files: string, { from, to }: { from: string; to: string }): Promise<void> {
  const path = join(files, 'state.json')
  const text = await readIfPresent(path)
  if (text === undefined || from === to) return
  const state = VersionsOfState.parse(JSON.parse(text))
  for (const version of Object.values(state.deployments).flatMap(({ versions }) => versions)) {
    if (version.dir.startsWith(from + sep)) version.dir = to + version.dir.slice(from.length)
  }
  await writeDurably(path, JSON.stringify(state, null, 2))
}

async function presentIn(home: string): Promise<string[]> {
  const names = await readdir(home)
  return names.filter(name => DATA.includes(name))
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  await handle.sync().finally(() => handle.close())
}

function running(home: string): RyoFaasError {
  return new RyoFaasError('ALREADY_RUNNING', `the platform of ${home} is running`, {
    hint: 'Stop it first: ryo-faas stopFaas',
  })
}

function notEmpty(home: string, present: readonly string[]): RyoFaasError {
  return new RyoFaasError('HOME_NOT_EMPTY', `${home} is not empty: it has ${present.slice(0, 4).join(', ')}`, {
    hint: 'Set RYO_FAAS_HOME to another folder, or add --replace: what is there now is moved aside and kept.',
  })
}

function ofLaterRelease(theirs: string, ours: string): RyoFaasError {
  return new RyoFaasError('UNSUPPORTED', `the backup was made by ryo-faas ${theirs}, newer than ${ours} here`, {
    hint: `Upgrade ryo-faas to ${theirs} or newer; an older one may not understand its data.`,
  })
}

function translated(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error
  return new RyoFaasError('HOME_UNUSABLE', 'the disk is full; the home is as it was', {
    hint: 'Free disk space on the file system of RYO_FAAS_HOME.',
    cause: error,
  })
}
