import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { packageOf } from './package-folder.ts'
import { sha256Of } from './packages-testing.ts'
import { thisMachine } from './this-machine.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'rfa-folder-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const ABOUT = { name: 'hello', kind: 'http', language: 'node', protocol: 2, builtBy: '0', entry: 'main.mjs' } as const

test('a folder becomes a manifest: every file by its path, content and permission, and no link', async () => {
  await mkdir(join(folder, 'bin'))
  await writeFile(join(folder, 'main.mjs'), 'code')
  await writeFile(join(folder, 'bin', 'tool'), 'tool')
  await chmod(join(folder, 'bin', 'tool'), 0o755)
  await symlink('/etc/passwd', join(folder, 'link'))
  const { manifest } = await packageOf(folder, ABOUT)
  expect(manifest).toEqual({
    ...{ format: 1, ...ABOUT },
    files: [
      { path: 'bin/tool', sha256: sha256Of('tool'), size: 4, executable: true },
      { path: 'main.mjs', sha256: sha256Of('code'), size: 4 },
    ],
  })
})

test('one with machine code says what for, and where it was built', async () => {
  await writeFile(join(folder, 'main.mjs'), 'code')
  await copyFile(process.execPath, join(folder, 'addon.node'))
  const { manifest } = await packageOf(folder, ABOUT)
  expect(manifest.builtOn).toEqual(thisMachine())
  expect(manifest.files[0]).toMatchObject({ machine: { platform: process.platform, arch: process.arch } })
})

test.runIf(process.platform !== 'win32')('a path that not every system has is named', async () => {
  await writeFile(join(folder, 'main.mjs'), 'code')
  await writeFile(join(folder, 'a\\b'), 'x')
  await expect(packageOf(folder, ABOUT)).rejects.toMatchObject({
    code: 'PACKAGE_INVALID',
    message: expect.stringContaining('hello cannot be packaged: a\\b must be a path below the package') as string,
  })
})

test('a folder without its entry is none', async () => {
  await writeFile(join(folder, 'other.mjs'), 'code')
  await expect(packageOf(folder, ABOUT)).rejects.toMatchObject({ code: 'PACKAGE_INVALID' })
})
