import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { pack, type Header } from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { digestOf, PackageManifest } from '../contract/index.ts'
import { PackageStore } from './package-store.ts'
import { manifestOf, sha256Of } from './packages-testing.ts'

let folder: string
let store: PackageStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-packages-'))
  store = new PackageStore(folder)
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const nothing = new Set<string>()
const contents = () => readdir(join(folder, 'contents')).catch(() => [])
const incoming = () => readdir(join(folder, 'incoming')).catch(() => [])

/** @param entries name and content, or a head of another kind */
function tarOf(...entries: (readonly [({ name: string } & Partial<Header>) | string, string | Buffer])[]): Readable {
  const archive = pack()
  for (const [head, content] of entries) {
    archive.entry(typeof head === 'string' ? { name: head } : head, content as string)
  }
  archive.finalize()
  return Readable.from(archive)
}

const uploadOf = (...texts: string[]) => tarOf(...texts.map(content => [sha256Of(content), content] as const))

test('a package is uploaded once, placed as it was built, and another asks only for what is new', async () => {
  const manifest = manifestOf({ 'main.mjs': 'code', 'bin/tool': 'tool', 'data/same.txt': 'code' })
  manifest.files[0]!.executable = true
  const digest = digestOf(manifest)
  const { digests, missing } = await store.announce([manifest], nothing)
  expect(digests).toEqual([digest])
  expect(missing.map(({ sha256 }) => sha256).sort()).toEqual([sha256Of('code'), sha256Of('tool')].sort())
  expect(await store.receive(uploadOf('code', 'tool'))).toEqual({ stored: 2, bytes: 8 })

  for (const isWritable of [true, false]) {
    const versionDir = join(folder, 'v')
    const placed = await store.place({ manifest: await store.manifest(digest), versionDir, isWritable })
    expect(placed).toEqual({ dir: join(versionDir, 'app'), entry: 'main.mjs' })
    expect(await readFile(join(placed.dir, 'data/same.txt'), 'utf8')).toBe('code')
    const [tool, main] = await Promise.all(['bin/tool', 'main.mjs'].map(path => stat(join(placed.dir, path))))
    expect([tool!.mode & 0o777, main!.mode & 0o777]).toEqual([0o755, 0o644])
    // Whoever may write into it gets a file of his own.
    expect(main!.nlink > 1).toBe(!isWritable)
  }
  const next = manifestOf({ 'main.mjs': 'other code', 'data/same.txt': 'code' })
  expect((await store.announce([next], nothing)).missing).toEqual([{ sha256: sha256Of('other code'), size: 10 }])
  // It is all on disk: another store object over the same folder knows it.
  expect((await new PackageStore(folder).announce([manifest], nothing)).missing).toEqual([])
})

test('what was built on this machine is kept as if it had been uploaded', async () => {
  const dir = join(folder, 'built')
  await mkdir(dir)
  await Promise.all(['main.mjs', 'twin.mjs'].map(name => writeFile(join(dir, name), 'code', { mode: 0o600 })))
  const manifest = manifestOf({ 'main.mjs': 'code', 'twin.mjs': 'code' })
  const kept = await store.adopt([{ dir, manifest }], nothing)
  expect(await readFile(join(kept, sha256Of('code')), 'utf8')).toBe('code')
  expect((await stat(join(kept, sha256Of('code')))).mode & 0o777).toBe(0o644)
  expect((await store.announce([manifest], nothing)).missing).toEqual([])
  // Nothing is moved twice.
  expect(await store.adopt([{ dir: '/nowhere', manifest }], nothing)).toBe(kept)
  await store.place({ manifest, versionDir: join(folder, 'v'), isWritable: false })
})

test('what is half uploaded stays, what is half a file does not', async () => {
  const manifest = manifestOf({ 'main.mjs': 'whole', 'b.txt': 'x'.repeat(100_000) })
  await store.announce([manifest], nothing)
  const whole = await buffered(uploadOf('whole', 'x'.repeat(100_000)))
  const cut = new PassThrough()
  cut.write(whole.subarray(0, 50_000))
  const receiving = store.receive(cut)
  await untilTrue(async () => (await contents()).length === 1, 'the first file')
  cut.destroy()
  await expect(receiving).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  expect(await contents()).toEqual([sha256Of('whole')])
  expect(await incoming()).toEqual([])
  // A tar that just ends, without an error of its stream.
  await expect(store.receive(Readable.from([whole.subarray(0, 50_000)]))).rejects.toMatchObject({
    code: 'PACKAGE_INVALID',
  })
  const { missing } = await store.announce([manifest], nothing)
  expect(missing).toEqual([{ sha256: sha256Of('x'.repeat(100_000)), size: 100_000 }])
  await store.receive(uploadOf('x'.repeat(100_000)))
  expect((await store.announce([manifest], nothing)).missing).toEqual([])
})

test.each<[string, () => Readable, string]>([
  ['content that is not what its name says', () => tarOf([sha256Of('code'), 'evil']), 'PACKAGE_INVALID'],
  ['content of another length', () => tarOf([sha256Of('code'), 'longer code']), 'PACKAGE_INVALID'],
  ['a file that was not announced', () => tarOf([sha256Of('what'), 'what']), 'PACKAGE_INCOMPLETE'],
  ['a path out of the folder', () => tarOf(['../../evil', 'code']), 'PACKAGE_INVALID'],
  ['an absolute path', () => tarOf(['/etc/evil', 'code']), 'PACKAGE_INVALID'],
  [
    'a symbolic link',
    () => tarOf([{ name: sha256Of('code'), type: 'symlink', linkname: '/etc/passwd' }, '']),
    'PACKAGE_INVALID',
  ],
  ['a hard link', () => tarOf([{ name: sha256Of('code'), type: 'link', linkname: 'x' }, '']), 'PACKAGE_INVALID'],
  ['a folder', () => tarOf([{ name: sha256Of('code'), type: 'directory' }, '']), 'PACKAGE_INVALID'],
  ['a device', () => tarOf([{ name: sha256Of('code'), type: 'character-device' }, '']), 'PACKAGE_INVALID'],
  ['no tar at all', () => Readable.from([Buffer.alloc(2048, 'x')]), 'PACKAGE_INVALID'],
  ['a head that promises 10 GB', () => headOf(sha256Of('code'), 10 * 1024 ** 3), 'PACKAGE_INVALID'],
])('%s is refused, and nothing is kept', async (_, tar, code) => {
  await store.announce([manifestOf({ 'main.mjs': 'code' })], nothing)
  await expect(store.receive(tar())).rejects.toMatchObject({ code })
  expect([await contents(), await incoming()]).toEqual([[], []])
})

test.each([
  '../main.mjs',
  '/main.mjs',
  'a/../../b',
  'a//b',
  './a',
  'a\\b',
  'C:/a',
  'a/',
  '',
  'a\0b',
  'a\nb',
  `a/${'b'.repeat(256)}`,
])('a manifest with the path %j is none', path => {
  const [file] = manifestOf({ 'main.mjs': 'code' }).files
  const files = [{ ...file!, path }, file!].sort((a, b) => (a.path < b.path ? -1 : 1))
  expect(PackageManifest.safeParse({ ...manifestOf({ 'main.mjs': 'code' }), files }).success).toBe(false)
})

test('a manifest names each file once, no file is also a folder, and it is of bounded size', () => {
  const whole = manifestOf({ 'main.mjs': 'code' })
  const [file] = whole.files
  const problemOf = (files: object[]) => PackageManifest.safeParse({ ...whole, files }).error?.issues[0]?.message
  expect(problemOf([file!, file!])).toMatch(/sorted/)
  expect(problemOf([file!, { ...file, path: 'main.mjs/a' }])).toMatch(/as a file and as a folder/)
  expect(problemOf([{ ...file, path: 'other.mjs' }])).toMatch(/lacks "main.mjs"/)
  const large = ['a', 'b', 'c'].map(path => ({ ...file, path, size: 400 * 1024 * 1024 }))
  expect(problemOf([...large, file!])).toMatch(/more than/)
})

test('two uploads of the same files at once both succeed, and store each once', async () => {
  const texts = Array.from({ length: 40 }, (_, index) => `content ${index} ${'y'.repeat(index * 1000)}`)
  const files = Object.fromEntries(texts.map((content, index) => [`f${index}`, content]))
  const manifest = manifestOf({ 'main.mjs': 'code', ...files })
  await store.announce([manifest], nothing)
  const all = ['code', ...texts]
  await Promise.all([store.receive(uploadOf(...all)), store.receive(uploadOf(...all.reverse()))])
  expect((await contents()).length).toBe(41)
  expect(await incoming()).toEqual([])
  await store.place({ manifest, versionDir: join(folder, 'v'), isWritable: true })
})

test('content that was changed on disk is never placed, and is asked for again', async () => {
  const manifest = manifestOf({ 'main.mjs': 'code', 'other.txt': 'other' })
  await store.announce([manifest], nothing)
  await store.receive(uploadOf('code', 'other'))
  const path = join(folder, 'contents', sha256Of('code'))
  const versionDir = join(folder, 'v')
  await mkdir(join(versionDir, 'app'), { recursive: true })
  await writeFile(join(versionDir, 'app', 'before'), 'before')
  await writeFile(path, 'evil')
  await utimes(path, new Date(0), new Date(0))
  await expect(store.place({ manifest, versionDir, isWritable: true })).rejects.toMatchObject({
    code: 'PACKAGE_INCOMPLETE',
  })
  // The version that was there is untouched, and nothing half done is beside it.
  expect(await readdir(join(versionDir, 'app'))).toEqual(['before'])
  expect((await readdir(folder)).filter(name => name.startsWith('v'))).toEqual(['v'])
  expect((await store.announce([manifest], nothing)).missing).toEqual([{ sha256: sha256Of('code'), size: 4 }])
  await store.receive(uploadOf('code'))
  await store.place({ manifest, versionDir, isWritable: true })
})

test('a manifest that was changed on disk is refused, and announced again as if it were new', async () => {
  const manifest = manifestOf({ 'main.mjs': 'code' })
  const [digest] = (await store.announce([manifest], nothing)).digests
  await writeFile(join(folder, 'manifests', `${digest!}.json`), JSON.stringify(manifestOf({ 'main.mjs': 'evil' })))
  await expect(store.manifest(digest!)).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  await expect(store.manifest(digest!)).rejects.toMatchObject({ code: 'PACKAGE_INCOMPLETE' })
  await store.announce([manifest], nothing)
  expect(await store.manifest(digest!)).toEqual(manifest)
})

test('what waits for a deploy is bounded; what is deployed does not count', async () => {
  const small = new PackageStore(folder, { maxWaitingBytes: 10 })
  const first = manifestOf({ 'main.mjs': 'eightyyy' })
  const { digests } = await small.announce([first], nothing)
  await small.receive(uploadOf('eightyyy'))
  const second = manifestOf({ 'main.mjs': 'others' })
  await expect(small.announce([second], nothing)).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  expect((await small.announce([second], new Set(digests))).missing.length).toBe(1)
})

test('old packages that nothing needs are removed, with what a killed upload left; what is needed or new stays', async () => {
  const quick = new PackageStore(folder, { keptMs: 0 })
  const [kept, old] = [manifestOf({ 'main.mjs': 'kept', s: 'same' }), manifestOf({ 'main.mjs': 'old', s: 'same' })]
  const { digests } = await quick.announce([kept, old], nothing)
  await quick.receive(uploadOf('kept', 'old', 'same'))
  await mkdir(join(folder, 'incoming'), { recursive: true })
  await writeFile(join(folder, 'incoming', 'killed'), 'half')
  await store.collect(new Set([digests[0]!]))
  expect((await contents()).length).toBe(3)
  expect(await quick.collect(new Set([digests[0]!]))).toEqual({ freedBytes: 7 })
  expect((await contents()).sort()).toEqual([sha256Of('kept'), sha256Of('same')].sort())
  expect(await incoming()).toEqual([])
  expect(await readdir(join(folder, 'manifests'))).toEqual([`${digests[0]!}.json`])
  await quick.place({ manifest: kept, versionDir: join(folder, 'v'), isWritable: true })
})

/** The head of a tar entry, and nothing of its content. */
function headOf(name: string, size: number): Readable {
  const archive = pack()
  archive.entry({ name, size })
  const body = new PassThrough()
  archive.once('data', head => body.end(head as Buffer))
  return body
}

async function buffered(stream: Readable): Promise<Buffer> {
  return Buffer.from(await text(stream.setEncoding('latin1')), 'latin1')
}
