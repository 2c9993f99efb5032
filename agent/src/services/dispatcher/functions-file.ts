/**
 * Follows the file in which the agent says what is deployed.
 *
 * Invariants: 1. a change is seen within `POLL_MS` even where the system does not report changes. 2. a file that is
 * missing says nothing, one that is wrong is refused, and what was read before stands. 3. `onChange` is called one at a
 * time, with different content each time.
 */
import { watch, type FSWatcher } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { FunctionsFile, type DispatchedFunction } from './options.ts'

const POLL_MS = 2_000

export interface FollowOptions {
  onChange: (functions: DispatchedFunction[]) => void
  onRefused: (reason: string) => void
}

/** @returns what ends it. */
export function followFunctions(path: string, { onChange, onRefused }: FollowOptions): () => void {
  let last: string | undefined
  let isReading = false
  let isStale = false
  let isStopped = false

  const read = async () => {
    if (isReading) {
      isStale = true
      return
    }
    isReading = true
    do {
      isStale = false
      const text = await textOf(path)
      if (isStopped || text === undefined || text === last) continue
      last = text
      try {
        onChange(FunctionsFile.parse(JSON.parse(text)).functions)
      } catch (error) {
        onRefused((error as Error).message)
      }
    } while (isStale)
    isReading = false
  }

  const watcher = watchFolder(path, () => void read())
  const poll = setInterval(() => void read(), POLL_MS)
  void read()
  return () => {
    isStopped = true
    watcher?.close()
    clearInterval(poll)
  }
}

/** The folder, because the file is replaced as a whole. Undefined where nothing can be watched: the poll sees it. */
function watchFolder(path: string, changed: () => void): FSWatcher | undefined {
  const name = basename(path)
  try {
    const watcher = watch(dirname(path), (_event, file) => {
      if (file === null || file === name) changed()
    })
    return watcher.on('error', () => watcher.close())
  } catch {
    return undefined
  }
}

/** Undefined if it cannot be read now; it is tried again soon. */
function textOf(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}
