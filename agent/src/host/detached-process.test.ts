import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { spawnDetached } from './detached-process.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'detached-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const command = (code: string) => ({
  command: process.execPath,
  args: ['-e', code],
  env: {},
  logFile: join(folder, 'logs', 'out.log'),
})

it('reports how a process exited, also to late listeners', async () => {
  const { exited, child } = await spawnDetached(command('console.log("bye"); process.exit(3)'))
  await exited
  expect(child.exitCode).toBe(3)
  expect(await exited).toEqual({ code: 3, signal: null })
  expect(await readFile(join(folder, 'logs', 'out.log'), 'utf8')).toBe('bye\n')
})

it('appends the output of several processes, and reports what cannot be started', async () => {
  for (const word of ['one', 'two']) await (await spawnDetached(command(`console.log('${word}')`))).exited
  expect(await readFile(join(folder, 'logs', 'out.log'), 'utf8')).toBe('one\ntwo\n')
  await expect(spawnDetached({ ...command(''), command: '/nowhere' })).rejects.toMatchObject({ code: 'PART_FAILED' })
})
