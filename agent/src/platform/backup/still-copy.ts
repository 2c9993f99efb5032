/**
 * Copies a folder that a process writes to as it was at one moment. Most of it is copied while the process runs; then
 * the process stands still for as long as it takes to copy what has changed since.
 *
 * Invariant: what is in the copy is what the files held while the process stood still, as if it had been killed then.
 * A file is believed unchanged only if its size, its number and both its times are the same, and it was not written to
 * a moment before it was looked at: times have a granularity.
 */
import { copyFile, lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Resume } from '../../host/index.ts'
import { ignoreMissing } from './file-trees.ts'

export interface StillCopy {
  /** When it stood still, and for how long. */
  at: Date
  pausedMs: number
}

/** Rounds of copying before it has to stand still, and what may then be left. */
const ROUNDS = 4
const FEW_BYTES = 16 * 1024 * 1024
const RECENT_MS = 2_000

interface Seen {
  mark: string
  size: number
  isRecent: boolean
}
const FOLDER: Seen = { mark: '', size: 0, isRecent: false }

export async function copyStill(
  { from, to }: { from: string; to: string },
  pause: () => Promise<Resume>,
): Promise<StillCopy> {
  const copied = new Map<string, Seen>()
  await mkdir(to, { recursive: true, mode: 0o700 })
  for (let round = 0; round < ROUNDS; round++) {
    if ((await copyChanged({ from, to }, copied)) <= FEW_BYTES) break
  }
  const resume = await pause()
  const at = new Date()
  const started = performance.now()
  try {
    await copyChanged({ from, to }, copied)
    return { at, pausedMs: performance.now() - started }
  } finally {
    await resume()
  }
}

/** @returns bytes that were copied */
async function copyChanged({ from, to }: { from: string; to: string }, copied: Map<string, Seen>): Promise<number> {
  const present = new Set<string>()
  let bytes = 0
  for await (const { name, isFolder } of everythingUnder(from)) {
    if (isFolder) {
      present.add(name)
      copied.set(name, FOLDER)
      await mkdir(join(to, name), { recursive: true, mode: 0o700 })
      continue
    }
    const seen = await lookAt(join(from, name))
    if (seen === undefined) continue
    present.add(name)
    const before = copied.get(name)
    if (before !== undefined && before.mark === seen.mark && !before.isRecent) continue
    await copyFile(join(from, name), join(to, name)).catch(ignoreMissing)
    copied.set(name, seen)
    bytes += seen.size
  }
  for (const name of [...copied.keys()].filter(each => !present.has(each))) {
    copied.delete(name)
    await rm(join(to, name), { recursive: true, force: true })
  }
  return bytes
}

async function lookAt(path: string): Promise<Seen | undefined> {
  const about = await lstat(path, { bigint: true }).catch(ignoreMissing)
  if (about === undefined) return undefined
  const { size, ino, mtimeNs, ctimeNs, mtimeMs } = about
  return {
    mark: [size, ino, mtimeNs, ctimeNs].join(':'),
    size: Number(size),
    isRecent: Date.now() - Number(mtimeMs) < RECENT_MS,
  }
}

/** Folders before what is in them. */
async function* everythingUnder(folder: string, under = ''): AsyncGenerator<{ name: string; isFolder: boolean }> {
  const entries = (await readdir(join(folder, under), { withFileTypes: true }).catch(ignoreMissing)) ?? []
  for (const entry of entries) {
    const name = join(under, entry.name)
    if (entry.isDirectory()) {
      yield { name, isFolder: true }
      yield* everythingUnder(folder, name)
    } else if (entry.isFile()) yield { name, isFolder: false }
  }
}
