import { chmod, mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { placePackage } from './place-package.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'rfa-place-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

test('files are linked where everybody may read them, and copied with the permissions of an image where not', async () => {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  await Promise.all([mkdir(join(from, 'deep', 'er'), { recursive: true, mode: 0o700 }), mkdir(to)])
  await writeFile(join(from, 'main.mjs'), 'code')
  await writeFile(join(from, 'deep', 'er', 'private.json'), '{}')
  await writeFile(join(from, 'tool'), 'run')
  await chmod(join(from, 'main.mjs'), 0o644)
  await chmod(join(from, 'deep', 'er', 'private.json'), 0o600)
  await chmod(join(from, 'tool'), 0o700)
  await symlink('main.mjs', join(from, 'alias.mjs'))
  await placePackage(from, to)
  const modeOf = async (path: string) => ((await stat(join(to, path))).mode & 0o777).toString(8)
  expect(await Promise.all(['main.mjs', 'deep', 'deep/er', 'deep/er/private.json', 'tool'].map(modeOf))).toEqual([
    ...['644', '755', '755', '644', '755'],
  ])
  expect((await stat(join(to, 'main.mjs'))).ino).toBe((await stat(join(from, 'main.mjs'))).ino)
  expect((await stat(join(to, 'tool'))).ino).not.toBe((await stat(join(from, 'tool'))).ino)
  expect(await readlink(join(to, 'alias.mjs'))).toBe('main.mjs')
  expect(await readFile(join(to, 'deep', 'er', 'private.json'), 'utf8')).toBe('{}')
})
