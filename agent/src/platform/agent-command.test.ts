import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { compiledFolder } from './agent-command.ts'

test('what was compiled is kept for the same build, and removed with it', async () => {
  const home = await mkdtemp(join(tmpdir(), 'rfa-compiled-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const entry = join(home, 'agent.js')
  await writeFile(entry, '')
  await utimes(entry, 1, 1)
  const first = await compiledFolder(home, entry)
  await mkdir(join(first, 'v24'), { recursive: true })
  expect(await compiledFolder(home, entry)).toBe(first)
  expect(await readdir(first)).toEqual(['v24'])
  await utimes(entry, 2, 2)
  expect(await compiledFolder(home, entry)).not.toBe(first)
  expect(await readdir(join(home, 'cache', 'compiled'))).toEqual([])
})
