import { randomBytes } from 'node:crypto'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { AGENT_STREAMS, streamState, type Bus } from '../bus/index.ts'
import type { TestNats } from '../bus/testing/nats-server.ts'
import { breakNext, connected, onAgentsBus } from './cluster-testing.ts'
import { Contents, newClusterKey, Seal, SharedFolders } from './index.ts'

let nats: TestNats
let bus: Bus
onAgentsBus(made => ({ nats, bus } = made))
let root: string
beforeAll(async () => void (root = await mkdtemp(join(tmpdir(), 'rfa-folders-'))))
afterAll(() => rm(root, { recursive: true }))

const seal = new Seal(newClusterKey())
const big = randomBytes(1_200_000)

async function makeFolder(name: string): Promise<string> {
  const folder = join(root, name)
  await mkdir(join(folder, 'app', 'deep', 'er'), { recursive: true })
  await writeFile(join(folder, 'app', 'main.js'), 'export const a = 1')
  await writeFile(join(folder, 'app', 'empty'), '')
  await writeFile(join(folder, 'app', 'deep', 'er', 'tool'), big)
  await chmod(join(folder, 'app', 'deep', 'er', 'tool'), 0o755)
  await symlink('main.js', join(folder, 'app', 'link'))
  return folder
}

test('a folder is on another machine as it was: contents, permissions, links', async () => {
  const content = await new SharedFolders(new Contents(bus, seal)).put(await makeFolder('here'))
  const there = join(root, 'there')
  const folders = new SharedFolders(new Contents(await connected(nats), seal))
  expect(await folders.has(there, content)).toBe(false)
  await folders.place(there, content)
  expect((await readFile(join(there, 'app', 'deep', 'er', 'tool'))).equals(big)).toBe(true)
  expect((await stat(join(there, 'app', 'deep', 'er', 'tool'))).mode & 0o777).toBe(0o755)
  expect((await stat(join(there, 'app', 'empty'))).size).toBe(0)
  expect(await readlink(join(there, 'app', 'link'))).toBe('main.js')
  expect(await folders.has(there, content)).toBe(true)
})

test('one of the same name that is another one is replaced', async () => {
  const folders = new SharedFolders(new Contents(bus, seal))
  const content = await folders.put(await makeFolder('one'))
  const other = await makeFolder('other')
  await writeFile(join(other, 'app', 'main.js'), 'export const a = 2')
  await writeFile(join(other, 'app', 'more.js'), '')
  await folders.put(other)
  await folders.place(other, content)
  expect(await readFile(join(other, 'app', 'main.js'), 'utf8')).toBe('export const a = 1')
  expect(await readdir(join(other, 'app'))).not.toContain('more.js')
})

test('what is the same is kept once, and what nobody needs is removed', async () => {
  const contents = new Contents(bus, seal)
  const folders = new SharedFolders(contents)
  const one = await folders.put(await makeFolder('first'))
  const { messages } = await streamState(bus, AGENT_STREAMS.versions)
  await new SharedFolders(new Contents(bus, seal)).put(await makeFolder('second'))
  expect((await streamState(bus, AGENT_STREAMS.versions)).messages).toBe(messages)
  const lone = await contents.put(Buffer.from('nobody needs it'))
  expect(await contents.keepOnly(new Set(await folders.digestsOf(one)))).toBe(1)
  await expect(contents.get(lone)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  await folders.place(join(root, 'third'), one)
  // What was removed is brought again.
  await contents.put(Buffer.from('nobody needs it'))
  expect((await contents.get(lone)).toString()).toBe('nobody needs it')
})

test('a folder that is broken off is not there, and nothing of it is left', async () => {
  const own = await connected(nats)
  const content = await new SharedFolders(new Contents(bus, seal)).put(await makeFolder('whole'))
  const { files } = await new SharedFolders(new Contents(bus, seal)).manifest(content)
  const tool = files.find(({ path }) => path.endsWith('tool')) as { digest: string }
  await new Contents(bus, seal).keepOnly(new Set([content.digest]))
  const broken = join(root, 'broken')
  await expect(new SharedFolders(new Contents(own, seal)).place(broken, content)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  })
  expect((await readdir(root)).filter(name => name.startsWith('broken'))).toEqual([])
  expect(tool.digest).toMatch(/^[0-9a-f]{64}$/)
})

test('an upload that was broken off is taken up again', async () => {
  const own = await connected(nats)
  const folder = await makeFolder('taken-up')
  breakNext(own, ['unacknowledged', 'lost'])
  await expect(new SharedFolders(new Contents(own, seal)).put(folder)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  const content = await new SharedFolders(new Contents(own, seal)).put(folder)
  const placed = join(root, 'taken-up-there')
  await new SharedFolders(new Contents(bus, seal)).place(placed, content)
  expect((await readFile(join(placed, 'app', 'deep', 'er', 'tool'))).equals(big)).toBe(true)
})

test('a manifest that names files outside of the folder is refused', async () => {
  const contents = new Contents(bus, seal)
  for (const path of ['../escaped', '/etc/escaped', 'app/../../escaped', '']) {
    const { digest, bytes } = await contents.put(Buffer.from('x'))
    const content = await contents.put(Buffer.from(JSON.stringify({ files: [{ path, digest, bytes }] })))
    await expect(new SharedFolders(contents).place(join(root, 'escape', 'in'), content)).rejects.toMatchObject({
      code: 'REFUSED',
    })
  }
  await expect(stat(join(root, 'escape', 'escaped'))).rejects.toThrow()
})
