/** Commands that work in a project's folder or on secrets. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { doctor } from './doctor.ts'
import { secrets } from './secrets.ts'
import { types } from './types.ts'

async function contextIn(more: Partial<Context>): Promise<Context> {
  const cwd = await mkdtemp(join(tmpdir(), 'rfa-command-'))
  onTestFinished(() => rm(cwd, { recursive: true }))
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const output = new Output({ stdout, stderr, environment: {} } as never, false)
  return { cwd, stdin, output, signal: new AbortController().signal, ...more } as unknown as Context
}

test('the runtime is written again, without what a newer release no longer has', async () => {
  const context = await contextIn({})
  const runtimeDir = join(context.cwd, 'runtime')
  const to = join(context.cwd, '.ryo-faas', 'runtime', 'dist')
  for (const folder of [join(runtimeDir, 'dist'), to]) await mkdir(folder, { recursive: true })
  await writeFile(join(runtimeDir, 'package.json'), '{"name": "@ryo-faas/runtime", "exports": {}}')
  for (const name of ['index.d.ts', 'index.js.map']) await writeFile(join(runtimeDir, 'dist', name), 'export {}')
  await writeFile(join(to, 'gone.d.ts'), '')
  await types.run({ dir: '.' }, { ...context, runtimeDir })
  expect(await readFile(join(to, 'index.d.ts'), 'utf8')).toBe('export {}')
  for (const name of ['index.js.map', 'gone.d.ts']) await expect(readFile(join(to, name))).rejects.toThrow('ENOENT')
})

test('only a secret that exists can be deleted, and only with consent', async () => {
  const asked: string[] = []
  const call = async (name: string) => {
    asked.push(name)
    return { names: ['API_KEY'] }
  }
  const context = await contextIn({ connect: async () => ({ call }) as never })
  await expect(secrets.run({ action: 'delete', name: 'API_KEZ', yes: true }, context)).rejects.toMatchObject({
    code: 'SECRET_NOT_FOUND',
    hint: 'Did you mean API_KEY?',
  })
  await expect(secrets.run({ action: 'delete', name: 'API_KEY' }, context)).rejects.toMatchObject({
    hint: 'Add --yes to confirm.',
  })
  expect(asked).not.toContain('setSecret')
  await secrets.run({ action: 'delete', name: 'API_KEY', yes: true }, context)
  expect(asked).toContain('setSecret')
})

test('doctor fails if something keeps the platform from starting, and not for a warning', async () => {
  const warning = { name: 'Docker', status: 'warn', found: 'absent', fix: 'Start it.' } as const
  const failure = { name: 'ports', status: 'fail', found: 'port 9999 is taken' } as const
  await doctor.run({}, await contextIn({ examine: async () => [warning] }))
  const context = await contextIn({ examine: async () => [warning, failure] })
  await expect(doctor.run({}, context)).rejects.toMatchObject({ message: '1 problem found' })
})
