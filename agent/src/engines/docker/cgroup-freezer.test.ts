import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { CgroupFreezer } from './cgroup-freezer.ts'

const ID = 'c0ffee'.repeat(8)
const container = { Id: ID, State: { Pid: 42 } }

let root: string
beforeEach(async () => void (root = await mkdtemp(join(tmpdir(), 'rfa-freezer-'))))
afterEach(() => rm(root, { recursive: true, force: true }))

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true })
  await writeFile(join(root, path), text)
}
const read = (path: string) => readFile(join(root, path), 'utf8')

test('version 1: of the several hierarchies that of the freezer', async () => {
  await write('proc/42/cgroup', `9:memory:/docker/${ID}\n5:freezer:/docker/${ID}\n0::/docker/${ID}\n`)
  const file = `sys/fs/cgroup/freezer/docker/${ID}/freezer.state`
  await write(file, 'THAWED\n')
  const freezer = (await CgroupFreezer.of(container, root))!
  expect(await freezer.isFrozen()).toBe(false)
  await freezer.freeze()
  expect([await read(file), await freezer.isFrozen()]).toEqual([expect.stringMatching(/^FROZEN/), true])
  await freezer.thaw()
  expect(await freezer.isFrozen()).toBe(false)
})

test('version 2: frozen once the events say so', async () => {
  const folder = `sys/fs/cgroup/system.slice/docker-${ID}.scope`
  await write('proc/42/cgroup', `0::/system.slice/docker-${ID}.scope\n`)
  await write(`${folder}/cgroup.freeze`, '0\n')
  await write(`${folder}/cgroup.events`, 'populated 1\nfrozen 0\n')
  const freezer = (await CgroupFreezer.of(container, root))!
  const freezing = freezer.freeze()
  await expect.poll(() => read(`${folder}/cgroup.freeze`)).toMatch(/^1/)
  await write(`${folder}/cgroup.events`, 'populated 1\nfrozen 1\n')
  await freezing
  await freezer.thaw()
  expect(await read(`${folder}/cgroup.freeze`)).toMatch(/^0/)
})

test('none for a container that is not here, is not running, or is not ours to freeze', async () => {
  expect(await CgroupFreezer.of(container, root)).toBeUndefined()
  expect(await CgroupFreezer.of({ Id: ID, State: { Pid: 0 } }, root)).toBeUndefined()
  // The same number, in another machine's count of processes.
  await write('proc/42/cgroup', '0::/user.slice\n')
  await write('sys/fs/cgroup/user.slice/cgroup.freeze', '0\n')
  expect(await CgroupFreezer.of(container, root)).toBeUndefined()
  await write('proc/42/cgroup', `0::/docker/${ID}\n`)
  expect(await CgroupFreezer.of(container, root)).toBeUndefined()
})

test('a container that is gone is an error of the file system', async () => {
  await write('proc/42/cgroup', `0::/docker/${ID}\n`)
  const folder = `sys/fs/cgroup/docker/${ID}`
  await write(`${folder}/cgroup.freeze`, '0\n')
  const freezer = (await CgroupFreezer.of(container, root))!
  await rm(join(root, folder), { recursive: true })
  await expect(freezer.thaw()).rejects.toMatchObject({ code: 'ENOENT' })
})
