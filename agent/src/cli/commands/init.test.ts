import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Context } from '../context.ts'
import { Output } from '../output.ts'
import { init } from './init.ts'

test.each(['taken', 'a'.repeat(300), 'new\0line'])('a folder that cannot be made is named: %j', async dir => {
  const cwd = await mkdtemp(join(tmpdir(), 'rfa-init-'))
  onTestFinished(() => rm(cwd, { recursive: true }))
  await writeFile(join(cwd, 'taken'), 'a file')
  const made = init.run({ dir }, { cwd, runtimeDir: cwd } as Context)
  await expect(made).rejects.toMatchObject({ code: 'INVALID_OPTION', hint: expect.stringContaining('init') })
})

test('a project has the runtime in its repository, so that a clone is restored by npm alone', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'rfa-init-'))
  onTestFinished(() => rm(cwd, { recursive: true }))
  const runtimeDir = join(cwd, 'runtime')
  await mkdir(join(runtimeDir, 'dist'), { recursive: true })
  for (const name of ['index.js', 'index.d.ts', 'index.js.map']) await writeFile(join(runtimeDir, 'dist', name), name)
  const doors = { '.': { source: './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' } }
  await writeFile(join(runtimeDir, 'package.json'), JSON.stringify({ name: '@ryo-faas/runtime', exports: doors }))
  const output = new Output({ stdout: process.stdout, stderr: process.stderr, environment: {} }, false)
  const lines: string[] = []
  output.line = (text = '') => void lines.push(text)
  await init.run({ dir: 'My Project' }, { cwd, runtimeDir, output } as Context)
  const read = async (name: string) => JSON.parse(await readFile(join(cwd, 'My Project', name), 'utf8'))
  const { name, devDependencies, scripts } = await read('package.json')
  expect({ name, scripts }).toEqual({ name: 'my-project', scripts: { test: 'tsx --test src/*.test.ts', check: 'tsc' } })
  const place = devDependencies['@ryo-faas/runtime'].replace('file:', '')
  expect(await readdir(join(cwd, 'My Project', place, 'dist'))).toEqual(['index.d.ts', 'index.js'])
  expect((await read(`${place}/package.json`)).exports).toEqual({
    '.': { types: './dist/index.d.ts', default: './dist/index.js' },
  })
  expect(await readFile(join(cwd, 'My Project/.gitignore'), 'utf8')).not.toContain('.ryo-faas')
  expect(lines.join('\n')).toContain('cd My Project && npm install && npm test')
})
