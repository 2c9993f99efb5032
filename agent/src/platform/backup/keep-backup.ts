/** Keeps a backup that comes from an agent: in a file, or on its way to another program. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RyoFaasError } from '../../contract/index.ts'
import { NOWHERE, readArchive, type BackupHead } from './archive.ts'

/**
 * It is proved while it is written; only a whole one gets the name of the file, which only its owner may read.
 * @throws RyoFaasError BACKUP_INVALID, INVALID_OPTION if it cannot be written
 */
export async function keepBackup(
  content: Readable,
  to: string | Writable,
): Promise<BackupHead & { digest: string; bytes: number }> {
  if (typeof to !== 'string') {
    return withFacts(content, to).catch((error: unknown) => {
      throw translated(error, 'it')
    })
  }
  const unfinished = `${to}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const kept = await withFacts(content, createWriteStream(unfinished, { flags: 'wx', mode: 0o600, flush: true }))
    await rename(unfinished, to)
    return kept
  } catch (error) {
    await rm(unfinished, { force: true })
    throw translated(error, to)
  }
}

function translated(error: unknown, to: string): unknown {
  const { code = '', message } = error as NodeJS.ErrnoException
  if (error instanceof RyoFaasError || !/^(?:E[A-Z]+|ERR_INVALID_ARG_VALUE)$/.test(code)) return error
  return new RyoFaasError('INVALID_OPTION', `${to} cannot be written: ${message}`, { cause: error })
}

async function withFacts(content: Readable, to: Writable) {
  const copy = new PassThrough()
  async function* both(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      if (!copy.write(chunk) && !copy.destroyed) await Promise.race([once(copy, 'drain'), once(copy, 'close')])
      yield chunk
    }
    copy.end()
  }
  const written = pipeline(content, both, to, { end: true })
  const read = readArchive(copy, NOWHERE)
  // Whatever ends one ends the other, and the first failure is the one to tell of.
  written.catch((error: Error) => copy.destroy(error))
  read.catch((error: Error) => content.destroy(error))
  await written
  const { head, digest, bytes } = await read
  return { ...head, digest, bytes }
}
