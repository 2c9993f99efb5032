/**
 * A lock file held by a process. Written by hand because libraries for this go by the age of the file: after `kill -9`
 * of the holder they wait seconds for it to become stale, while pid and start time show it at once.
 *
 * Invariants: the file appears whole (linked into place), so a reader never sees half a holder; a lock whose holder is
 * dead is taken over by exactly one contender, because it is first renamed away and only one rename finds it.
 */
import { randomBytes } from 'node:crypto'
import { link, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readIfPresent } from './durable-file.ts'
import { identifyProcess, isAlive } from './process-identity.ts'
import type { ProcessIdentity } from './saved-identity.ts'

export type LockOutcome = { kind: 'acquired'; release: () => Promise<void> } | { kind: 'held'; holder: ProcessIdentity }

export async function acquireProcessLock(path: string): Promise<LockOutcome> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const self = await identifyProcess(process.pid)
  const unique = () => `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  const mine = unique()
  await writeFile(mine, JSON.stringify(self), { mode: 0o600 })
  try {
    for (;;) {
      try {
        await link(mine, path)
        return { kind: 'acquired', release: () => rm(path, { force: true }) }
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const holder = await readHolder(path)
      if (holder && (await isAlive(holder))) return { kind: 'held', holder }
      const grave = unique()
      await rename(path, grave).catch(ignoreMissing)
      // Between reading and renaming another contender may have taken over: then we moved a live lock; put it back.
      const moved = await readHolder(grave)
      if (moved && (await isAlive(moved))) await link(grave, path).catch(ignoreExisting)
      await rm(grave, { force: true })
    }
  } finally {
    await rm(mine, { force: true })
  }
}

async function readHolder(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readIfPresent(path)
  if (text === undefined) return undefined
  try {
    const { pid, startedAt } = JSON.parse(text) as Partial<ProcessIdentity>
    if (Number.isSafeInteger(pid) && pid! > 0 && typeof startedAt === 'string') return { pid: pid!, startedAt }
  } catch {
    // As below.
  }
  return undefined // Not ours, or damaged: nobody holds it.
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}
