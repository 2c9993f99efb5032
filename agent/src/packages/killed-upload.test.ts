/** A real process that is killed while it receives an upload, and while it writes a version. */
import { spawn, type ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { pack } from 'tar-stream'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { untilTrue } from '../../test/support/until.ts'
import { PackageStore } from './package-store.ts'
import { manifestOf, sha256Of } from './packages-testing.ts'

let folder: string
const children: ChildProcess[] = []
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'rfa-killed-'))))
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true })
})

const FILES = Object.fromEntries(
  ['main.mjs', ...Array.from({ length: 9 }, (_, index) => `data/${index}.bin`)].map((path, index) => [
    path,
    Buffer.alloc(200_000, `${index}`),
  ]),
)
const manifest = manifestOf(FILES)
const store = () => new PackageStore(folder)
const contents = () => readdir(join(folder, 'contents')).catch((): string[] => [])

/** Resolves once it has announced the package. */
async function start(doing: 'receive' | 'place'): Promise<ChildProcess> {
  const file = join(folder, 'manifest.json')
  await writeFile(file, JSON.stringify(manifest))
  const script = join(inject('entries'), 'packages/testing/package-process.js')
  const child = spawn(process.execPath, [script, folder, file, doing], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => undefined) // It was killed.
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function tarOf(files: readonly Buffer[]): Promise<Buffer> {
  const archive = pack()
  for (const content of files) archive.entry({ name: sha256Of(content) }, content)
  archive.finalize()
  return buffer(archive)
}

test('whenever it is killed, what is kept is whole, and only the rest is asked for', async () => {
  const whole = await tarOf(Object.values(FILES))
  const kept = new Set<string>()
  for (const share of [0.25, 0.55, 0.85]) {
    const child = await start('receive')
    child.stdin!.write(whole.subarray(0, whole.length * share))
    await untilTrue(async () => (await contents()).length >= Math.floor(10 * share) - 1, 'most of what was sent')
    await kill(child)
    for (const name of await contents()) {
      const content = await readFile(join(folder, 'contents', name))
      expect(createHash('sha256').update(content).digest('hex')).toBe(name)
      kept.add(name)
    }
  }
  const after = store()
  const { missing } = await after.announce([manifest], new Set())
  expect(new Set(missing.map(({ sha256 }) => sha256)).size).toBe(10 - kept.size)
  expect(kept.size).toBeGreaterThanOrEqual(7)
  await after.receive(Readable.from([await tarOf(Object.values(FILES).filter(file => !kept.has(sha256Of(file))))]))
  await after.place({ manifest, versionDir: join(folder, 'version'), isWritable: true })
  // What the killed ones had begun is removed in time.
  await new PackageStore(folder, { keptMs: 0 }).collect(new Set())
  expect(await readdir(join(folder, 'incoming'))).toEqual([])
})

test('whenever it is killed, a version is there as a whole or not at all', async () => {
  const first = store()
  await first.announce([manifest], new Set())
  await first.receive(Readable.from([await tarOf(Object.values(FILES))]))
  for (let round = 0; round < 3; round++) {
    const child = await start('place')
    await once(child.stdout!, 'data')
    await kill(child)
    const app = join(folder, 'version', 'app')
    const found = await readdir(app, { recursive: true }).catch(() => undefined)
    if (found === undefined) continue
    for (const [path, content] of Object.entries(FILES)) {
      expect((await readFile(join(app, path))).equals(content)).toBe(true)
    }
  }
})
