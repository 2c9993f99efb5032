import { chmod, mkdtemp, rm, stat, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ensureSocketFolder } from './proxy-part.ts'

test('the folder of control sockets is ours alone; one that others made or may enter is refused', async () => {
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
