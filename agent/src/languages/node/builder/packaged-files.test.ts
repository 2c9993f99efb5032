import { cpSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { BundleRequest } from './build.ts'
import { Builder } from './builder.ts'
import { filesIn, requestFor, RUNTIME_DIR } from './testing/bundled-function.ts'
import { useBuilder } from './testing/use-builder.ts'

const { cacheDir, folder, bundle, write, answerOf } = useBuilder()

describe('files', () => {
  it('are found by import.meta.url, __dirname and the working directory', async () => {
    const { dir } = folder({
      'hello.ts': `import { inner } from './sub/inner.ts'
        import { readFileSync } from 'node:fs'
        export const hello = () => new Response(inner() + readFileSync('top.txt') + readFileSync(import.meta.dirname + '/top.txt'))`,
      'sub/inner.ts': `import { readFileSync } from 'node:fs'
        import { join } from 'node:path'
        export const inner = () => '' + readFileSync(new URL('./data 1.txt', import.meta.url)) + readFileSync(join(__dirname, '../top.txt'))`,
      'sub/data 1.txt': 'data ',
      'top.txt': 'top ',
    })
    expect(await answerOf(dir)).toBe('data top top top ')
  })

  it('are included except sources, dotfiles, node_modules and what only tools read', async () => {
    const made = folder({
      'hello.ts': `export const hello = () => new Response('')`,
      'views/page.html': '<p>',
      '.env': 'SECRET=1',
      '.git/config': '',
      'node_modules/x/index.js': '',
      'package.json': '{}',
      'package-lock.json': '{}',
      'tsconfig.json': '{}',
      'deploy.json': '{}',
    })
    made.write({ 'tool.sh': '#!/bin/sh' }, 0o700)
    const { versionDir, dir } = await write(made.dir)
    expect(filesIn(dir)).toEqual([
      'exported_hello.mjs',
      'exported_hello.mjs.map',
      'package.json',
      'ryo-faas-metrics.cjs',
      'ryo-faas-runtime.cjs',
      'tool.sh',
      'views/page.html',
    ])
    expect(filesIn(versionDir)).toContain('package/hello.ts')
    expect(filesIn(versionDir)).not.toContain('package/.env')
    expect(readFileSync(join(versionDir, 'exported_hello.ts'), 'utf8')).toContain(`from './package/hello.ts'`)
    expect(statSync(join(dir, 'tool.sh')).mode & 0o777).toBe(0o755)
    expect(statSync(join(dir, 'views/page.html')).mode & 0o777).toBe(0o644)
    expect(statSync(join(dir, 'views')).mode & 0o777).toBe(0o755)
  })

  it('named in "files" are also included, even from node_modules', async () => {
    const { dir } = folder({
      'hello.ts': `export const hello = () => new Response('')`,
      'worker.ts': '',
      '.config/x.json': '{}',
      'node_modules/fonts/a.ttf': 'font',
    })
    const written = await write(dir, { files: ['*.ts', 'node_modules/fonts/**', '.config/x.json', 'none/*'] })
    expect(filesIn(written.dir)).toEqual(
      expect.arrayContaining(['worker.ts', 'hello.ts', 'node_modules/fonts/a.ttf', '.config/x.json']),
    )
  })

  it('named by new URL are included although they are sources', async () => {
    const { dir } = folder({
      'hello.ts': `import { Worker } from 'node:worker_threads'
        import { once } from 'node:events'
        export async function hello() {
          const [answer] = await once(new Worker(new URL('./worker.mjs', import.meta.url)), 'message')
          return new Response(answer)
        }`,
      'worker.mjs': `import { parentPort } from 'node:worker_threads'; parentPort.postMessage('from a thread')`,
    })
    expect(await answerOf(dir)).toBe('from a thread')
  })

  it('outside the package are not included', async () => {
    const made = folder({
      'secret.txt': 'x',
      'other/secret.txt': 'x',
      'app/hello.ts': `export const hello = () => new Response('')`,
      'app/a.txt': '',
    })
    const dir = made.path('app')
    symlinkSync(made.path('secret.txt'), join(dir, 'outside.txt'))
    symlinkSync('a.txt', join(dir, 'inside.txt'))
    symlinkSync(made.path('other'), join(dir, 'other'))
    symlinkSync('nowhere', join(dir, 'dangling.txt'))
    const written = await write(dir, { files: ['*.txt', 'other/secret.txt'] })
    expect(filesIn(written.dir)).toContain('inside.txt')
    expect(filesIn(written.dir)).not.toContain('outside.txt')
    expect(filesIn(written.dir)).not.toContain('other/secret.txt')
    expect(written.notes.join()).toMatch(/outside\.txt is a symbolic link to outside the package/)
    for (const pattern of ['../*.txt', made.path('secret.txt'), 'a/../../b']) {
      await expect(bundle(dir, { files: [pattern] })).rejects.toMatchObject({ code: 'BUILD_FAILED' })
    }
  })

  it('are the same when the package is reached by a symbolic link', async () => {
    const made = folder({ 'app/hello.ts': `export const hello = () => new Response(__filename)`, 'app/a.txt': '' })
    symlinkSync(made.path('app'), made.path('link'))
    expect((await bundle(made.path('link'))).hash).toBe((await bundle(made.path('app'))).hash)
  })

  it('with variables are never included, and a note says so', async () => {
    const { dir } = folder({
      'hello.ts': `export const hello = () => new Response('')`,
      '.env': 'A=1',
      'sub/.env': 'A=1',
    })
    for (const files of [['**'], ['.env', 'sub/.*'], ['**/.env']]) {
      const written = await write(dir, { files })
      expect(filesIn(written.dir).filter(file => file.includes('.env'))).toEqual([])
      if (files.length > 1) expect(written.notes.join()).toContain('.env is not packaged')
    }
  })

  it('replace what an interrupted attempt left', async () => {
    const { dir } = folder({ 'hello.ts': `export const hello = () => new Response('')` })
    const out = folder({ '1/app/left.txt': '', '1/other': '' })
    const bundled = await bundle(dir)
    await bundled.write(out.path('1'))
    await bundled.write(out.path('1'))
    expect(filesIn(out.path('1/app'))).toEqual([
      'exported_hello.mjs',
      'exported_hello.mjs.map',
      'ryo-faas-metrics.cjs',
      'ryo-faas-runtime.cjs',
    ])
    expect(readdirSync(out.dir)).toEqual(['1'])
  })
})

describe('the hash', () => {
  const files = {
    'hello.ts': `import up from 'up'; import { inner } from './sub/inner.ts'; export const hello = () => new Response(up + inner + __dirname)`,
    'sub/inner.ts': `export const inner = import.meta.url`,
    'data.txt': 'a',
    'node_modules/up/package.json': `{ "name": "up" }`,
    'node_modules/up/index.js': `module.exports = __filename`,
  }
  const hashOf = async (dir: string, more: Partial<BundleRequest> = {}) => (await bundle(dir, more)).hash

  it('is the same in every folder, also when packages are further up', async () => {
    const first = folder(files)
    const second = folder({ 'deep/down/below/x.txt': '' })
    const third = folder()
    cpSync(first.dir, second.path('deep/down/below/app'), { recursive: true })
    cpSync(first.dir, third.path('far/app'), { recursive: true })
    cpSync(first.path('node_modules'), third.path('node_modules'), { recursive: true })
    rmSync(third.path('far/app/node_modules'), { recursive: true })
    const hash = await hashOf(first.dir)
    expect(hash).toMatch(/^[0-9a-f]{16}$/)
    expect(await hashOf(second.path('deep/down/below/app'))).toBe(hash)
    expect(await hashOf(third.path('far/app'))).toBe(hash)
    const { dir } = await write(third.path('far/app'))
    for (const file of filesIn(dir)) expect(readFileSync(join(dir, file), 'utf8')).not.toContain(third.dir)
  })

  it('does not depend on where the platform is installed', async () => {
    const { dir } = folder(files)
    const elsewhere = folder()
    cpSync(RUNTIME_DIR, elsewhere.path('deep/runtime/src'), { recursive: true })
    cpSync(join(RUNTIME_DIR, '../package.json'), elsewhere.path('deep/runtime/package.json'))
    const other = new Builder({
      runtimeDir: elsewhere.path('deep/runtime'),
      cacheDir,
      environment: process.env,
    })
    const { hash } = await other.bundle(requestFor(dir), new AbortController().signal)
    await other.close()
    expect(hash).toBe(await hashOf(dir))
  })

  it('changes with code, files, their names and executable bits, and with the function; not with comments', async () => {
    const made = folder(files)
    const seen = new Set([await hashOf(made.dir)])
    const isNew = async (more?: Partial<BundleRequest>) => {
      const hash = await hashOf(made.dir, more)
      const fresh = !seen.has(hash)
      seen.add(hash)
      return fresh
    }
    expect(await isNew()).toBe(false)
    made.write({ 'sub/inner.ts': `export const inner = import.meta.url // comment` })
    expect(await isNew()).toBe(false)
    made.write({ 'sub/inner.ts': `export const inner = import.meta.url + 1` })
    expect(await isNew()).toBe(true)
    made.write({ 'data.txt': 'b' })
    expect(await isNew()).toBe(true)
    made.write({ 'more.txt': 'b' })
    expect(await isNew()).toBe(true)
    made.write({ 'more.txt': 'b' }, 0o755)
    expect(await isNew()).toBe(true)
    expect(await isNew({ name: 'other' })).toBe(true)
    expect(await isNew({ style: 'node' })).toBe(true)
    expect(await isNew({ node: '22' })).toBe(true)
    expect(await isNew({ node: '20' })).toBe(true)
  })
})
