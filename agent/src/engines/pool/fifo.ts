/** A named pipe on which a waiting process blocks until it is handed its function. */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'

const POLL_MS = 2

/** Everybody may read it, whatever the umask: who opens it is another user. */
export async function makeFifo(path: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '0644', path])
}

/**
 * Opens it for writing, which wakes the process that reads from it.
 * @returns undefined if none has come by `deadline` (of `performance.now()`)
 */
export async function openFifo(path: string, deadline: number): Promise<FileHandle | undefined> {
  for (;;) {
    try {
      return await open(path, constants.O_WRONLY | constants.O_NONBLOCK)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // ENXIO: nobody reads; ENOENT: somebody removed it.
      if (code === 'ENOENT' || (code === 'ENXIO' && performance.now() > deadline)) return undefined
      if (code !== 'ENXIO') throw error
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
