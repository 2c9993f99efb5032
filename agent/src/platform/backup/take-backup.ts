/**
 * Takes a backup of a home while its platform runs. What it holds, in the order in which it is taken:
 *
 * 1. NATS as it was at one moment, at which it stood still (`still-copy.ts`): every call that was accepted before, and
 *    none that was accepted later.
 * 2. The documents of the embedded store at one sequence, a moment later. So the stream of events is never ahead of
 *    them: what the relay had not carried over, it carries over after a restore.
 * 3. The agent's state, and the versions that it names. Names of versions are never used again, and they are hard
 *    links here, so that nothing is lost when one is removed meanwhile.
 *
 * NATS that others run (`--nats-url`) is theirs to copy: then the log of the documents begins a new epoch in the copy, so
 * that after a restore its events are not taken for those that went into the stream meanwhile.
 *
 * All of it lies in a folder of its own before the first byte is sent: what fails, fails with its reason.
 */
import { randomUUID } from 'node:crypto'
import { copyFile, cp, mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { finished, type Readable } from 'node:stream'
import { z } from 'zod'
import { type Door, homePaths, StoreClient } from '../../client/index.ts'
import { RyoFaasError } from '../../contract/index.ts'
import { KeyedQueue } from '../../host/index.ts'
import { natsPaths, type NatsPart } from '../../services/nats/index.ts'
import { CERTIFICATES, storeFolder } from '../home-data.ts'
import { flagOf, PlatformOptions, shownValue } from '../options.ts'
import { writeArchive, type BackupHead } from './archive.ts'
import { filesUnder, ignoreMissing, linkTree } from './file-trees.ts'
import { VersionsOfState } from './restore-home.ts'
import { copyStill } from './still-copy.ts'

export interface BackupSource {
  home: string
  version: string
  options: PlatformOptions
  /** Absent: others run it, and what it holds is not ours to copy. */
  nats: Pick<NatsPart, 'pause'> | undefined
  store: () => Door
}

export interface TakenBackup {
  head: BackupHead
  /** tar, gzip */
  content: Readable
}

/** Replaced as a whole whenever they change, or never changed: links keep them. */
const LINKED = ['packages', 'secrets', 'callback-secret', 'proxy-key', 'tokens.json', 'nats/credentials.json']
const STORE_MS = 3600_000
/** A version may be removed between the state that names it and its files. */
const TRIES = 5
const StoreCopy = z.object({ path: z.string(), sequence: z.int() })

export class Backups {
  readonly #source: BackupSource
  /** NATS stands still for one at a time. */
  readonly #queue = new KeyedQueue()

  constructor(source: BackupSource) {
    this.#source = source
  }

  /** @throws RyoFaasError HOME_UNUSABLE without room on the disk; STORE_UNAVAILABLE, NATS_UNAVAILABLE */
  async take(): Promise<TakenBackup> {
    const folder = join(stagingOf(this.#source.home), randomUUID())
    const remove = () => rm(folder, { recursive: true, force: true })
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const head = await this.#queue.run('staging', () => this.#stage(folder))
      const content = writeArchive(head, filesUnder(folder))
      finished(content, () => void remove().catch(() => undefined)) // Else the next start of the agent removes it.
      return { head, content }
    } catch (error) {
      await remove()
      throw withoutRoom(error)
    }
  }

  async #stage(folder: string): Promise<BackupHead> {
    const { home, version, options, nats } = this.#source
    const data = { from: natsPaths(home).data, to: natsPaths(folder).data }
    const { at, pausedMs } =
      nats === undefined ? { at: new Date(), pausedMs: 0 } : await copyStill(data, () => nats.pause())
    const store = await this.#stageStore(folder)
    await this.#stageState(folder)
    for (const name of LINKED) await linkTree(join(home, name), join(folder, name))
    const { auditLog } = homePaths(home)
    await copyFile(auditLog, homePaths(folder).auditLog).catch(ignoreMissing)
    const certificates = join(home, CERTIFICATES)
    // Those of certbot are links to another folder.
    await cp(certificates, join(folder, CERTIFICATES), { recursive: true, dereference: true }).catch(ignoreMissing)
    const { project } = options
    return {
      ...{ format: 1, version, project, home, createdAt: at.toISOString() },
      nats: nats === undefined ? 'elsewhere' : 'copied',
      ...{ pausedMs: Math.round(pausedMs * 10) / 10, store, flags: flagsOf(options) },
    }
  }

  async #stageStore(folder: string): Promise<BackupHead['store']> {
    const { options, nats } = this.#source
    if (options.store !== 'embedded') return { kind: 'postgres' }
    const client = new StoreClient(this.#source.store(), AbortSignal.timeout(STORE_MS))
    const response = await client.send('POST', `/backup?temporary=true&newLog=${nats === undefined}`, { pace: 'long' })
    const { path, sequence } = StoreCopy.parse(await response.json())
    const data = join(storeFolder(folder), 'data', 'data.mdb')
    await mkdir(dirname(data), { recursive: true, mode: 0o700 })
    await rename(join(path, 'data.mdb'), data)
    await rm(path, { recursive: true, force: true })
    return { kind: 'embedded', sequence }
  }

  async #stageState(folder: string): Promise<void> {
    const { home } = this.#source
    for (let left = TRIES; ; left--) {
      await linkTree(join(home, 'state.json'), join(folder, 'state.json'))
      await linkTree(join(home, 'deployments'), join(folder, 'deployments'))
      const gone = await missingVersion(home, folder)
      if (gone === undefined) return
      if (left === 1)
        throw new RyoFaasError('HOME_UNUSABLE', `the version in ${gone} is named by the state and not there`)
      for (const name of ['state.json', 'deployments']) await rm(join(folder, name), { recursive: true, force: true })
    }
  }
}

/** Removes what backups left whose agent was killed. */
export async function sweepBackups(home: string): Promise<void> {
  await rm(stagingOf(home), { recursive: true, force: true })
  const copies = join(storeFolder(home), 'backups')
  const names = await readdir(copies).catch(() => [])
  const temporary = names.filter(name => name.startsWith('temporary-'))
  await Promise.all(temporary.map(name => rm(join(copies, name), { recursive: true, force: true })))
}

function stagingOf(home: string): string {
  return join(home, 'run', 'backup')
}

async function missingVersion(home: string, folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'state.json'), 'utf8').catch(ignoreMissing)
  if (text === undefined) return undefined
  const { deployments } = VersionsOfState.parse(JSON.parse(text))
  for (const { dir } of Object.values(deployments).flatMap(({ versions }) => versions)) {
    if (!dir.startsWith(home)) continue
    const found = await stat(join(folder, dir.slice(home.length))).catch(ignoreMissing)
    if (found === undefined) return dir
  }
  return undefined
}

/** Those that say something, as `startFaas` takes them. */
function flagsOf(options: PlatformOptions): string[] {
  const defaults: Record<string, unknown> = PlatformOptions.parse({})
  return Object.entries(options)
    .filter(([name, value]) => value !== defaults[name])
    .map(([name, value]) => `${flagOf(name)}=${shownValue(value)}`)
}

function withoutRoom(error: unknown): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') return error
  return new RyoFaasError(
    'HOME_UNUSABLE',
    'the disk is full: a backup takes room for a copy of NATS and of the store',
    {
      hint: 'Free disk space on the file system of RYO_FAAS_HOME.',
      cause: error,
    },
  )
}
