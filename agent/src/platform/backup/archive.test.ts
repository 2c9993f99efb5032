import { createHash } from 'node:crypto'
import { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { gunzipSync, gzipSync } from 'node:zlib'
import { extract, pack } from 'tar-stream'
import { expect, test } from 'vitest'
import { NOWHERE, readArchive, writeArchive, type BackupHead, type Found, type Item } from './archive.ts'

const HEAD: BackupHead = {
  ...{
    format: 1,
    version: '0.1.0',
    project: 'rfa',
    home: '/home/ann/.ryo-faas',
    createdAt: '2026-01-01T00:00:00.000Z',
  },
  ...{ pausedMs: 1, nats: 'copied', store: { kind: 'embedded', sequence: 7 }, flags: [] },
}
const file = (name: string, content: string, inode = name): Found => ({
  ...{ type: 'file', name, mode: 0o600, mtimeMs: 1_700_000_000_123, size: Buffer.byteLength(content), inode },
  open: () => Readable.from([Buffer.from(content)]),
})
const FOUND: Found[] = [
  { type: 'folder', name: 'deployments', mode: 0o700, mtimeMs: 1 },
  file('deployments/a', 'the same', '1'),
  file('deployments/b', 'the same', '1'),
  { type: 'link', name: 'deployments/c', target: './a' },
  file('empty', ''),
  file('state.json', '{}'),
]

async function* each(found: readonly Found[]): AsyncGenerator<Found> {
  yield* found
}
const made = () => buffer(writeArchive(HEAD, each(FOUND)))
const read = (bytes: Uint8Array, digest?: string) => readArchive(Readable.from([bytes]), NOWHERE, digest)

/** A tar of these files, gzipped. */
function archiveOf(files: readonly (readonly [name: string, content: string])[]): Promise<Buffer> {
  const archive = pack()
  for (const [name, content] of files) archive.entry({ name }, content)
  archive.finalize()
  return buffer(archive as unknown as Readable).then(bytes => gzipSync(bytes))
}

const sha256 = (content: string) => createHash('sha256').update(content).digest('hex')

/** A backup that is well made, of these things. */
function backupOf(items: readonly Item[], files: readonly (readonly [string, string])[] = []): Promise<Buffer> {
  const head = JSON.stringify(HEAD)
  const contents = JSON.stringify({ format: 1, head: sha256(head), items })
  return archiveOf([['backup.json', head], ...files, ['contents.json', contents]])
}

test('what was written is read: files, the same files once, folders and links, with mode and time', async () => {
  const bytes = await made()
  const got = new Map<string, string>()
  const result = await readArchive(Readable.from([bytes]), {
    begin: head => expect(head).toEqual(HEAD),
    file: async name => {
      got.set(name, '')
      return new Writable({
        write: (chunk: Buffer, _, done) => done(void got.set(name, got.get(name)! + chunk.toString())),
      })
    },
  })
  expect(Object.fromEntries(got)).toEqual({ 'deployments/a': 'the same', empty: '', 'state.json': '{}' })
  expect(result.items.map(({ type, name }) => [type, name])).toEqual(FOUND.map(({ type, name }) => [type, name]))
  expect(result.items[2]).toMatchObject({ sameAs: 'deployments/a', mtimeMs: 1_700_000_000_123, mode: 0o600 })
  expect(result.bytes).toBe('the same{}'.length)
  expect((await read(bytes, result.digest)).digest).toBe(result.digest)
  await expect(read(bytes, '0'.repeat(64))).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
})

test('one that is cut off anywhere, or is none, is refused', async () => {
  const bytes = await made()
  for (let length = 0; length < bytes.length; length += 7) {
    await expect(read(bytes.subarray(0, length)), String(length)).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
  }
  // Cut off as a tar, and then packed again.
  const tar = gunzipSync(bytes)
  for (let length = 0; length < tar.length - 1024; length += 512) {
    await expect(read(gzipSync(tar.subarray(0, length)))).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
  }
  for (const garbage of ['', 'no archive', gzipSync('no tar'), gzipSync(Buffer.alloc(4096, 65))]) {
    await expect(read(Buffer.from(garbage))).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
  }
})

test('one of which anything was changed is refused', async () => {
  const files: [string, string][] = []
  for await (const entry of Readable.from([gunzipSync(await made())]).pipe(
    extract() as unknown as NodeJS.ReadWriteStream,
  ) as never as AsyncIterable<Readable & { header: { name: string } }>) {
    files.push([entry.header.name, (await buffer(entry)).toString()])
  }
  await read(await archiveOf(files))
  for (const [index, [name, content]] of files.entries()) {
    const changed = content === '' ? 'x' : content.replace(/[a-z{]/, 'X')
    const others = files.filter((_, other) => other !== index)
    await expect(read(await archiveOf(files.with(index, [name, changed]))), name).rejects.toThrow()
    await expect(read(await archiveOf(others)), name).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
    if (name === 'contents.json') continue
    await expect(read(await archiveOf([...others, [name, content]])), name).rejects.toMatchObject({
      code: 'BACKUP_INVALID',
    })
  }
  await expect(read(await archiveOf([...files.slice(0, -1), ['more', 'x'], files.at(-1)!]))).rejects.toThrow(/more/)
})

const about = { mode: 0o600, mtimeMs: 0 }
test.each<[string, Item, [string, string][]]>([
  ['a name that leads out', { type: 'file', name: '../x', ...about, size: 1, sha256: sha256('x') }, [['../x', 'x']]],
  ['an absolute name', { type: 'file', name: '/x', ...about, size: 1, sha256: sha256('x') }, [['/x', 'x']]],
  ['a folder that leads out', { type: 'folder', name: 'a/../../x', ...about }, []],
  ['a link that leads out', { type: 'link', name: 'deployments/x', target: '../../etc/passwd' }, []],
  ['a link to another part of the home', { type: 'link', name: 'deployments/x', target: '../secrets' }, []],
  ['an absolute link', { type: 'link', name: 'deployments/x', target: '/etc/passwd' }, []],
  ['a copy of what is not there', { type: 'file', name: 'x', ...about, size: 1, sha256: sha256('x'), sameAs: 'y' }, []],
])('%s is refused', async (_, item, files) => {
  await expect(read(await backupOf([item], files))).rejects.toMatchObject({ code: 'BACKUP_INVALID' })
})

test('a link within its own folder is taken', async () => {
  const item = { type: 'link', name: 'deployments/a/x', target: '../b/y' } as const
  expect((await read(await backupOf([item]))).items).toEqual([item])
})

test('what cannot be read ends the archive with its reason', async () => {
  const gone: Found = { ...file('a', 'text'), open: () => new Readable({ read() { this.destroy(new Error('gone')) } }) } as Found // prettier-ignore
  await expect(buffer(writeArchive(HEAD, each([gone])))).rejects.toThrow('gone')
  const shorter: Found = { ...file('a', 'text'), open: () => Readable.from([Buffer.from('tex')]) } as Found
  await expect(buffer(writeArchive(HEAD, each([shorter])))).rejects.toThrow()
})
