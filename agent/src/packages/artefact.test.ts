import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { buffer, text } from 'node:stream/consumers'
import { pack, type Header } from 'tar-stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DeployEntry } from '../contract/index.ts'
import { openArtefact, writeArtefact, type ArtefactSettings } from './artefact.ts'
import { builtOf, sha256Of } from './packages-testing.ts'

let folder: string
let path: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-artefact-'))
  path = join(folder, 'app.ryo')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const FILES = [
  { 'main.mjs': 'first code', 'data/empty.txt': '', 'same.txt': 'same' },
  { 'main.mjs': 'second code', 'same.txt': 'same' },
]

function built(changes: Partial<DeployEntry> = {}) {
  const all = builtOf(...FILES)
  for (const each of all.functions) {
    const entry = { ...each.entry, packageDir: './shop', filePath: './shop/main.ts', ...changes }
    each.entry = DeployEntry.parse(entry)
  }
  return all
}

const open = (settings: Partial<ArtefactSettings> = {}) =>
  openArtefact({ path, base: folder }, { variables: {}, ...settings })

test('what was written is read: each file, and the settings as they were declared', async () => {
  const { digest, sizeBytes } = await writeArtefact(built({ env: { A: '${A:-none}' } }), path)
  expect((await readFile(path)).length).toBe(sizeBytes)
  const opened = await open()
  expect(opened.digest).toBe(digest)
  expect(opened.functions.map(({ manifest }) => manifest)).toEqual(built().functions.map(({ manifest }) => manifest))
  for (const files of FILES) {
    for (const content of Object.values(files)) expect(await text(opened.open(sha256Of(content)))).toBe(content)
  }
  expect(opened.functions[0]!.entry).toMatchObject({ packageDir: join(folder, 'shop'), env: { A: 'none' } })
})

test('the same functions give the same bytes; others give another digest; nothing unfinished stays', async () => {
  const first = await writeArtefact(built(), path)
  const second = await writeArtefact(built(), join(folder, 'twin.ryo'))
  expect(second).toEqual(first)
  expect((await readFile(join(folder, 'twin.ryo'))).equals(await readFile(path))).toBe(true)
  const other = await writeArtefact(built({ memoryMb: 512 }), join(folder, 'other.ryo'))
  expect(other.digest).not.toBe(first.digest)
  const failing = { ...built(), open: () => { throw new Error('the disk broke') } } // prettier-ignore
  await expect(writeArtefact(failing, join(folder, 'failed.ryo'))).rejects.toThrow('the disk broke')
  expect((await readdir(folder)).sort()).toEqual(['app.ryo', 'other.ryo', 'twin.ryo'])
})

test('an environment, the shell and .env files beside it decide at the deploy what it is given', async () => {
  const environments = { staging: { memoryMb: 64, env: { B: 'of ${WHERE}' } } }
  await writeArtefact(built({ env: { A: 'declared' }, environments }), path)
  await writeFile(join(folder, '.env'), 'C=plain')
  await writeFile(join(folder, '.env.staging'), 'C=staged')
  const entryOf = async (settings: Partial<ArtefactSettings>) => (await open(settings)).functions[0]!.entry
  expect(await entryOf({})).toMatchObject({ memoryMb: 256, env: { A: 'declared', C: 'plain' } })
  const staged = await entryOf({ environment: 'staging', variables: { WHERE: 'here', OTHER: 'unused' } })
  expect(staged).toMatchObject({ memoryMb: 64, env: { A: 'declared', B: 'of here', C: 'staged' } })
  expect(staged.environments).toBeUndefined()
  const failure = { code: 'DEPLOY_FILE_INVALID', problems: [expect.anything(), expect.anything()] }
  await expect(open({ environment: 'staging' })).rejects.toMatchObject(failure)
  await expect(open({ environment: 'nowhere' })).rejects.toMatchObject({ code: 'DEPLOY_FILE_INVALID' })
})

test('one of its functions can be chosen, and only one that it has', async () => {
  await writeArtefact(built(), path)
  expect((await open({ only: ['F1'] })).functions.map(({ entry }) => entry.name)).toEqual(['f1'])
  await expect(open({ only: ['f9'] })).rejects.toMatchObject({ code: 'DEPLOYMENT_NOT_FOUND', hint: 'It has: f0, f1' })
})

test('one changed bit is noticed, or is where it changes nothing; and so is a file that ends early', async () => {
  const { digest } = await writeArtefact(built(), path)
  const whole = await readFile(path)
  const same = built().functions.map(({ manifest }) => manifest)
  let noticed = 0
  for (let at = 0; at < whole.length; at += 41) {
    const changed = Buffer.from(whole)
    changed[at] = changed[at]! ^ 1
    await writeFile(path, changed)
    const outcome = await open({ digest }).catch((error: unknown) => error as { code: string })
    if ('code' in outcome) {
      expect(outcome.code).toBe('PACKAGE_INVALID')
      noticed++
      // Such as what fills the last block of a file.
    } else expect(outcome.functions.map(({ manifest }) => manifest)).toEqual(same)
  }
  expect(noticed).toBeGreaterThan(whole.length / 41 / 4)
  for (const length of [0, 100, 600, Math.floor(whole.length / 2)]) {
    await writeFile(path, whole.subarray(0, length))
    await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  }
  await writeFile(path, whole)
  expect((await open({ digest })).digest).toBe(digest)
  await expect(open({ digest: '0'.repeat(64) })).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
})

type Extra = readonly [Partial<Header> & { name: string }, string]

/** An artefact whose index somebody has written again, with a digest to match. */
async function forge(
  change: (index: { functions: { entry: object; manifest: { files: object[] } }[] }) => void,
  extra: Extra[] = [],
) {
  // prettier-ignore
  const { functions, project } = built()
  const index = structuredClone({ format: 1, project, functions })
  change(index)
  const written = JSON.stringify(index)
  const archive = pack()
  archive.entry({ name: 'digest' }, createHash('sha256').update(written).digest('hex'))
  archive.entry({ name: 'artefact.json' }, written)
  for (const content of new Set(FILES.flatMap(files => Object.values(files)))) {
    archive.entry({ name: sha256Of(content) }, content)
  }
  for (const [head, content] of extra) archive.entry(head, content)
  archive.finalize()
  await pipeline(archive, createWriteStream(path))
}

test.each<[string, Parameters<typeof forge>[0], Extra[]?]>([
  [
    'a path out of the package',
    ({ functions }) => Object.assign(functions[0]!.manifest.files[0]!, { path: '../evil' }),
  ],
  ['an absolute path', ({ functions }) => Object.assign(functions[0]!.manifest.files[0]!, { path: '/etc/evil' })],
  ['a file that is not inside', ({ functions }) => Object.assign(functions[0]!.manifest.files[0]!, { sha256: '0'.repeat(64) })], // prettier-ignore
  ['a file of another size', ({ functions }) => Object.assign(functions[0]!.manifest.files[2]!, { size: 3 })],
  ['10 GB that are only promised', ({ functions }) => Object.assign(functions[0]!.manifest.files[0]!, { size: 10 * 1024 ** 3 })], // prettier-ignore
  ['no function', index => (index.functions = [])],
  ['settings that are none', ({ functions }) => Object.assign(functions[0]!.entry, { unheard: 'of' })],
  ['a path among its files', () => undefined, [[{ name: '../../evil' }, 'evil']]],
  ['a symbolic link', () => undefined, [[{ name: sha256Of('x'), type: 'symlink', linkname: '/etc/passwd' }, '']]],
  ['a hard link', () => undefined, [[{ name: sha256Of('x'), type: 'link', linkname: 'digest' }, '']]],
  ['a folder', () => undefined, [[{ name: 'a', type: 'directory' }, '']]],
  ['content under another name', () => undefined, [[{ name: sha256Of('x') }, 'evil']]],
  ['an index of its own at the end', () => undefined, [[{ name: 'artefact.json' }, '{"format":1}']]],
])('a forged artefact with %s is refused', async (_, change, extra) => {
  await forge(change, extra)
  await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  expect(await readdir(folder)).toEqual(['app.ryo'])
})

test('what is no artefact is refused: text, a folder, nothing, another tar', async () => {
  for (const content of ['', 'text', 'x'.repeat(2_000)]) {
    await writeFile(path, content)
    await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  }
  const archive = pack()
  archive.entry({ name: 'digest' }, 'x')
  archive.finalize()
  await writeFile(path, await buffer(archive))
  await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  await rm(path)
  await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
  await mkdir(path)
  await expect(open()).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
})
