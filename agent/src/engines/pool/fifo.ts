/** A named pipe on which a waiting process blocks until it is handed its function. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 2
const LIFE_CHECK_EVERY_MS = 100

/** Everybody may read it, whatever the umask: who opens it is another user. */
export async function makeFifo(path: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '0644', path])
}

export interface Reader {
  isAlive: () => Promise<boolean>
  /** When it should be reading, of `performance.now()`. */
  deadline: number
}

/**
 * Opens it for writing, which wakes the process that reads from it.
 * @returns undefined if there is none: it may be booting still, or be dead
 */
export async function openFifo(path: string, { isAlive, deadline }: Reader): Promise<FileHandle | undefined> {
  let nextLifeCheck = 0
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Nobody reads.
      if (code !== 'ENXIO') throw error
    }
    const now = performance.now()
    if (now > deadline) return undefined
    if (now > nextLifeCheck) {
      nextLifeCheck = now + LIFE_CHECK_EVERY_MS
      if (!(await isAlive())) return undefined
    }
    await delay(POLL_MS)
  }
}

/** Writes everything; more than the pipe holds goes as it is read. @throws EPIPE if the reader is gone */
export async function writeFifo(pipe: FileHandle, text: string): Promise<void> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) {
    try {
      at += (await pipe.write(bytes, at)).bytesWritten
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      await delay(POLL_MS)
    }
  }
}
