/**
 * A home as one file: a tar, gzipped, which any other program can look into. Its entries, in this order:
 *
 *     backup.json     what it was made of, and by which release (`BackupHead`)
 *     …               files under their names in the home
 *     contents.json   all of them with mode, time, size and SHA-256; folders, links, and files that are the same
 *
 * Invariants:
 *
 * 1. It is whole only with contents.json, which comes last: one that was broken off is not taken for a small home.
 * 2. Its digest is the SHA-256 of contents.json, which names every byte of it.
 * 3. No name in it leads out of the folder that it is unpacked into, and nothing is written through a link.
 */
import { createHash } from 'node:crypto'
import { Readable, Transform, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'
import { extract, pack } from 'tar-stream'
import { z } from 'zod'
import { RyoFaasError } from '../../contract/index.ts'

const HEAD = 'backup.json'
const CONTENTS = 'contents.json'
const MAX_HEAD_BYTES = 1024 * 1024
const MAX_CONTENTS_BYTES = 1024 * 1024 * 1024
const Sha256 = z.string().regex(/^[0-9a-f]{64}$/)

/** What a backup was made of. Times in ISO format. */
export const BackupHead = z.object({
  format: z.literal(1),
  /** Release that made it. */
  version: z.string(),
  project: z.string(),
  /** Folder of the home; absolute paths in its state begin with it. */
  home: z.string(),
  /** When NATS stood still: every call that was accepted before is in it. */
  createdAt: z.string(),
  /** `elsewhere`: others run it, and calls are not in the backup. Older releases copied it always. */
  nats: z.enum(['copied', 'elsewhere']).default('copied'),
  /** How long it stood still. */
  pausedMs: z.number(),
  /** `sequence`: of the last event of the documents that are in it. */
  store: z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('embedded'), sequence: z.int() }),
    z.object({ kind: z.literal('postgres') }),
  ]),
  /** Options of its platform that differ from the defaults, as flags, without secrets. */
  flags: z.array(z.string()),
})
export type BackupHead = z.infer<typeof BackupHead>

const About = { name: z.string().refine(isPlainName, 'is not a plain name'), mode: z.int(), mtimeMs: z.number() }
const Item = z.discriminatedUnion('type', [
  /** `sameAs`: an earlier file, which it was linked with. */
  z.object({ type: z.literal('file'), ...About, size: z.int(), sha256: Sha256, sameAs: z.string().optional() }),
  z.object({ type: z.literal('folder'), ...About }),
  z.object({ type: z.literal('link'), name: About.name, target: z.string() }),
])
export type Item = z.infer<typeof Item>

const Contents = z.object({ format: z.literal(1), head: Sha256, items: z.array(Item) })

/** Something to be put into a backup. */
export type Found =
  | { type: 'file'; name: string; mode: number; mtimeMs: number; size: number; inode: string; open(): Readable }
  | Exclude<Item, { type: 'file' }>

/** @throws what reading the files throws, as an error of the stream */
export function writeArchive(head: BackupHead, found: AsyncIterable<Found>): Readable {
  const archive = pack()
  const zipped = createGzip({ level: constants.Z_BEST_SPEED })
  const fill = async () => {
    const headText = JSON.stringify(BackupHead.parse(head), null, 2)
    archive.entry({ name: HEAD }, headText)
    const items: Item[] = []
    const known = new Map<string, Extract<Item, { type: 'file' }>>()
    for await (const one of found) {
      if (one.type !== 'file') {
        items.push(one)
        continue
      }
      const { type, name, mode, mtimeMs, size, inode } = one
      const twin = known.get(inode)
      if (twin !== undefined) {
        items.push({ ...{ type, name, mode, mtimeMs, size }, sha256: twin.sha256, sameAs: twin.name })
        continue
      }
      const hash = hashing()
      const entry = archive.entry({ name, size, mode, mtime: new Date(mtimeMs) })
      await pipeline(size === 0 ? Readable.from([]) : one.open(), hash.stream, entry)
      const item: Item = { ...{ type, name, mode, mtimeMs, size }, sha256: hash.digest() }
      known.set(inode, item)
      items.push(item)
    }
    const contents = Contents.parse({ format: 1, head: sha256Of(headText), items })
    archive.entry({ name: CONTENTS }, JSON.stringify(contents))
    archive.finalize()
  }
  void pipeline(archive, zipped).catch(() => undefined) // Its reader hears of it.
  void fill().catch((error: unknown) => zipped.destroy(error as Error))
  return zipped
}

export interface ReadBackup {
  head: BackupHead
  items: Item[]
  digest: string
  /** Of its files, unpacked. */
  bytes: number
}

export interface Receiver {
  /** Before any file. @throws to refuse it */
  begin(head: BackupHead): void | Promise<void>
  /** Where the content of a file goes; it is proved once everything was read. */
  file(name: string, size: number): Promise<Writable>
}

/** For those who only want to know whether a backup is whole. */
export const NOWHERE: Receiver = {
  begin: () => undefined,
  file: async () => new Writable({ write: (_chunk, _encoding, done) => done() }),
}

/**
 * Reads a backup to its end and proves it.
 * @param digest it must have this one
 * @throws RyoFaasError BACKUP_INVALID; what `receiver` throws
 */
export async function readArchive(source: Readable, receiver: Receiver, digest?: string): Promise<ReadBackup> {
  const reader = extract()
  const unpacking = pipeline(source, createGunzip(), reader as unknown as NodeJS.WritableStream)
  // Its failure ends the entries, too.
  unpacking.catch(() => undefined)
  const files = new Map<string, { size: number; sha256: string }>()
  let headText: string | undefined
  let contents: string | undefined
  try {
    for await (const entry of reader) {
      const { name, type, size = 0 } = entry.header
      const content = entry as unknown as Readable
      if (type !== 'file' || contents !== undefined || !isPlainName(name) || files.has(name))
        throw invalid(`"${shown(name)}" does not belong there`)
      if (headText === undefined) {
        if (name !== HEAD || size > MAX_HEAD_BYTES) throw invalid('it does not begin with backup.json')
        headText = await text(content)
        await receiver.begin(parsed(BackupHead, headText, HEAD))
      } else if (name === CONTENTS) {
        if (size > MAX_CONTENTS_BYTES) throw invalid(`${CONTENTS} has ${size} bytes`)
        contents = await text(content)
      } else {
        const hash = hashing()
        await pipeline(content, hash.stream, await receiver.file(name, size))
        files.set(name, { size, sha256: hash.digest() })
      }
    }
    await unpacking
  } catch (error) {
    source.destroy()
    throw isOfStream(error) ? invalid(`it cannot be read: ${(error as Error).message}`, error) : error
  }
  if (headText === undefined) throw invalid('it is empty')
  if (contents === undefined) throw invalid('its end is missing')
  const found = sha256Of(contents)
  if (digest !== undefined && digest !== found) {
    throw new RyoFaasError('BACKUP_INVALID', `the backup has the digest ${found}, not ${digest}`, {
      hint: 'It is not the file that was meant, or somebody changed it.',
    })
  }
  const { items, head } = parsed(Contents, contents, CONTENTS)
  if (head !== sha256Of(headText)) throw invalid(`${HEAD} was changed`)
  prove(items, files)
  const bytes = [...files.values()].reduce((sum, { size }) => sum + size, 0)
  return { head: parsed(BackupHead, headText, HEAD), items, digest: found, bytes }
}

/** @throws RyoFaasError BACKUP_INVALID unless the files are those of the list, byte for byte */
function prove(items: readonly Item[], files: ReadonlyMap<string, { size: number; sha256: string }>): void {
  const named = new Map(items.map(item => [item.name, item]))
  if (named.size !== items.length) throw invalid(`${CONTENTS} names something twice`)
  for (const item of items) {
    if (item.type === 'link' && !isInside(item.name, item.target))
      throw invalid(`the link ${shown(item.name)} leads out of it`)
    if (item.type !== 'file') continue
    const stored = files.get(item.sameAs ?? item.name)
    if (stored?.sha256 !== item.sha256 || stored.size !== item.size)
      throw invalid(`${shown(item.name)} is not what its digest says`)
  }
  for (const name of files.keys())
    if (named.get(name)?.type !== 'file') throw invalid(`${CONTENTS} does not name ${shown(name)}`)
}

function isPlainName(name: string): boolean {
  return name.length < 4_096 && !/[\0\\]/.test(name) && name.split('/').every(part => !['', '.', '..'].includes(part))
}

/** Whether a link leads to something under the same first folder. */
function isInside(name: string, target: string): boolean {
  if (target.startsWith('/') || target.includes('\0')) return false
  const at = name.split('/').slice(0, -1)
  for (const part of target.split('/')) {
    if (part === '..') at.pop()
    else if (part !== '.' && part !== '') at.push(part)
    if (at.length === 0) return false
  }
  return at[0] === name.split('/')[0]
}

function parsed<T>(schema: z.ZodType<T>, content: string, name: string): T {
  try {
    return schema.parse(JSON.parse(content))
  } catch (error) {
    throw invalid(`${name} cannot be read by this release of ryo-faas`, error)
  }
}

/** Of what is no archive, or a part of one. */
function isOfStream(error: unknown): boolean {
  if (error instanceof RyoFaasError) return false
  const { code = '', message } = error as NodeJS.ErrnoException
  return (
    /^(?:Z_|ERR_STREAM_PREMATURE_CLOSE)/.test(code) ||
    /tar header|Unexpected end of data|Writable stream closed/i.test(message)
  )
}

function hashing(): { stream: Transform; digest: () => string } {
  const hash = createHash('sha256')
  const stream = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk)
      done(null, chunk)
    },
  })
  return { stream, digest: () => hash.digest('hex') }
}

function sha256Of(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}

function invalid(message: string, cause?: unknown): RyoFaasError {
  return new RyoFaasError('BACKUP_INVALID', `this is not a whole backup: ${message}`, {
    ...(cause !== undefined && { cause }),
  })
}

/** Of a name that anybody may have written. */
function shown(name: string): string {
  return name.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')
}
