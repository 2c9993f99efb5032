import { chmod, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { writeDurably } from '../host/index.ts'
import { controlPathOf, ensureSocketFolder, isControlledAt } from './control-path.ts'

test('the folder of control sockets is private; one that others created or may enter is refused', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'rfa-sockets-'))
  onTestFinished(() => rm(parent, { recursive: true }))
  const folder = join(parent, 'sockets')
  await ensureSocketFolder(folder)
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  await ensureSocketFolder(folder)
  await symlink(folder, join(parent, 'link'))
  await expect(ensureSocketFolder(join(parent, 'link'))).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
  await chmod(folder, 0o777)
  await expect(ensureSocketFolder(folder)).rejects.toMatchObject({ code: 'HOME_UNUSABLE' })
})

test('each part has its own socket, however long the path of the home is', () => {
  const paths = ['/home', `/${'x'.repeat(200)}`].flatMap(home => [
    controlPathOf(home, 'proxy'),
    controlPathOf(home, 'dispatcher'),
    controlPathOf(home, 'dispatcher-2'),
  ])
  expect(new Set(paths).size).toBe(6)
  for (const path of paths) expect(Buffer.byteLength(path)).toBeLessThanOrEqual(104)
})

test('a part of an earlier release, whose options have no such socket, is not contacted there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rfa-options-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const file = join(folder, 'options.json')
  expect(await isControlledAt(file, '/a.sock')).toBe(false)
  await writeDurably(file, JSON.stringify({ functionsFile: '/functions.json' }))
  expect(await isControlledAt(file, '/a.sock')).toBe(false)
  await writeDurably(file, JSON.stringify({ controlPath: '/a.sock' }))
  expect(await isControlledAt(file, '/a.sock')).toBe(true)
})
