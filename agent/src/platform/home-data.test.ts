import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { chmod, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { closeHome, removeData } from './home-data.ts'

test('removes our files, complete or half written, and nothing else', async () => {
  const home = mkdtempSync(join(tmpdir(), 'ryo-faas-data-'))
  try {
    for (const name of ['state.json', 'state.json.17.0a1b2c3d.tmp', 'token', 'notes.txt', 'state.json.old']) {
      writeFileSync(join(home, name), '')
    }
    mkdirSync(join(home, 'store', 'data'), { recursive: true })
    mkdirSync(join(home, 'project'))
    await removeData(home)
    expect(readdirSync(home).sort()).toEqual(['notes.txt', 'project', 'state.json.old'])
    await removeData(home)
  } finally {
    rmSync(home, { recursive: true })
  }
})

test('a home readable by others is closed to them', async () => {
  const home = await mkdtemp(join(tmpdir(), 'ryo-faas-open-'))
  onTestFinished(() => rm(home, { recursive: true }))
  await chmod(home, 0o755)
  await closeHome(home)
  expect((await stat(home)).mode & 0o777).toBe(0o700)
})
