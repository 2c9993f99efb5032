/**
 * Opens the trace store in a folder. An agent that starts is worth more than old traces: what cannot be opened is moved
 * aside (one copy is kept) and reported.
 *
 * Damage may crash the process inside LMDB, where nothing can be caught. So a mark is written first, and removed once
 * everything was read: whoever finds it knows that the last attempt crashed.
 */
import { existsSync, statSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { open } from 'lmdb'
import { prepareDatabaseFile } from './database-file.ts'
import { LmdbTraceStore, type TraceEnvironment } from './lmdb-trace-store.ts'
import type { TraceBounds, TraceStore } from './trace-store.ts'

export interface OpenTracesOptions {
  folder: string
  bounds: TraceBounds
  onChange: () => void
  onFault: (error: unknown) => void
  /** The old traces could not be opened and are now in `aside`. */
  onDamage: (damage: { aside: string; reason: string }) => void
}

/** Address space, not memory or disk; on Windows the file is as large as its map, so there it grows as needed. */
const MAP_BYTES = process.platform === 'win32' ? undefined : 16 * 1024 ** 3

export async function openTraces(options: OpenTracesOptions): Promise<TraceStore> {
  const { folder } = options
  const mark = join(folder, 'opening')
  const moveAside = async (reason: string) => {
    const aside = `${folder}.damaged`
    await rm(aside, { recursive: true, force: true })
    await rename(folder, aside)
    options.onDamage({ aside, reason })
    await mkdir(folder, { recursive: true, mode: 0o700 })
  }
  if (existsSync(folder) && !statSync(folder).isDirectory()) await moveAside('it is not a folder')
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if (existsSync(mark)) await moveAside('the last process that opened it crashed')
  await writeFile(mark, '')
  let store: TraceStore
  try {
    store = openStore(options)
  } catch (error) {
    await moveAside((error as Error).message)
    store = openStore(options)
  }
  await rm(mark, { force: true })
  return store
}

function openStore({ folder, bounds, onChange, onFault }: OpenTracesOptions): TraceStore {
  const environment = openEnvironment(folder)
  try {
    return new LmdbTraceStore({ environment, bounds, onChange, onFault })
  } catch (error) {
    void environment.root.close()
    throw error
  }
}

function openEnvironment(folder: string): TraceEnvironment {
  const path = join(folder, 'data.mdb')
  prepareDatabaseFile(path)
  const binary = { encoding: 'binary', keyEncoding: 'binary' } as const
  const root = open<Buffer, Buffer>({
    path,
    ...binary,
    maxDbs: 4,
    // A commit returns once it is on disk.
    overlappingSync: false,
    ...(MAP_BYTES !== undefined && { mapSize: MAP_BYTES }),
  })
  const database = (name: string) => root.openDB<Buffer, Buffer>({ name, ...binary })
  return { root, traces: database('traces'), spans: database('spans') }
}
