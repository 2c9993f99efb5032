import { cpSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import type { BundleRequest } from './build.ts'
import { Builder } from './builder.ts'
import { requestFor, runFunction, temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'

const runtimeDir = fileURLToPath(new URL('../../../../../runtime/src', import.meta.url))
const cache = temporaryFolder()
const builder = new Builder({ runtimeDir, cacheDir: cache.dir, environment: process.env })
const folders: TemporaryFolder[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})
afterAll(async () => {
  await builder.close()
  cache.remove()
})

const never = new AbortController().signal

function folder(files: Record<string, string> = {}): TemporaryFolder {
  const made = temporaryFolder(files)
  folders.push(made)
  return made
}

const bundle = (packageDir: string, more: Partial<BundleRequest> = {}) =>
  builder.bundle(requestFor(packageDir, more), never)

async function write(packageDir: string, more: Partial<BundleRequest> = {}) {
  const out = folder()
  const bundled = await bundle(packageDir, more)
  const { dir, entry } = await bundled.write(out.path('1'))
  return { ...bundled, dir, module: join(dir, entry), versionDir: out.path('1') }
}

async function answerOf(packageDir: string, more: Partial<BundleRequest> = {}): Promise<string> {
  const { module } = await write(packageDir, more)
  await using running = await runFunction(module)
  return await running.get()
}

const filesIn = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name).slice(dir.length + 1))
    .sort()

describe('a bundle', () => {
  it('runs a Node-style function', async () => {
    const { dir } = folder({
      'hello.ts': `import type { IncomingMessage, ServerResponse } from 'node:http'
        export function hello(req: IncomingMessage, res: ServerResponse): void { res.end('Hello from ' + req.url) }`,
    })
    expect(await answerOf(dir, { style: 'node' })).toBe('Hello from /')
  })

  it('holds the adapter that the function needs, and no other', async () => {
    const { dir } = folder({
      'hello.ts': `export default { fetch: (r: Request) => new Response('Hi ' + r.method) }
        export const hello = () => new Response()`,
    })
    const { module } = await write(dir, { style: 'dialect', exportName: 'default', adapter: { name: 'fetchObject' } })
    await using running = await runFunction(module)
    expect(await running.get()).toBe('Hi GET')
    const plain = (await write(dir)).module
    const holds = (path: string) =>
      ['passThroughOnException', 'ApproximateReceiveCount'].map(text => readFileSync(path, 'utf8').includes(text))
    expect([holds(module), holds(plain)]).toEqual([
      [true, false],
      [false, false],
    ])
  })

  it('calls what its dialect sets up before the module is loaded, and imports packages for its adapter', async () => {
    const { dir } = folder({
      'hello.ts': `export const hello = awslambda.streamifyResponse(async (event, stream) => stream.end(event.rawPath))`,
      'node_modules/other/index.js': `module.exports = {}`,
      'node_modules/other/package.json': `{ "name": "other" }`,
    })
    const adapter = { name: 'awsLambda', options: { event: 'url' }, setup: 'provideAwslambda', packages: ['other'] }
    expect(await answerOf(dir, { style: 'dialect', adapter })).toBe('/')
  })

  it('hands the context to a Node-style function that takes it, and two arguments to any other', async () => {
    const { dir } = folder({
      'hello.ts': `export function hello(...given: any[]) { given[1].end(given.length + ' ' + given[2]?.name) }`,
    })
    expect(await answerOf(dir, { style: 'node', takesContext: true })).toBe('3 hello')
    expect(await answerOf(dir, { style: 'node' })).toBe('2 undefined')
  })

  it('shares one runtime with user code, even if the user has installed another', async () => {
    const { dir } = folder({
      'hello.ts': `import { context } from '@ryo-faas/runtime'
        import { HEADERS } from '@ryo-faas/runtime/protocol'
        export const hello = () => new Response(context().name + ' ' + HEADERS.requestId)`,
      'node_modules/@ryo-faas/runtime/package.json': `{ "name": "@ryo-faas/runtime", "main": "index.js" }`,
      'node_modules/@ryo-faas/runtime/index.js': `throw new Error('the wrong one')`,
    })
    expect(await answerOf(dir)).toBe('hello x-request-id')
  })

  it('serves metrics, although the package has no prom-client', async () => {
    const { dir } = folder({ 'hello.ts': `export const hello = () => new Response('')` })
    const { module } = await write(dir)
    await using running = await runFunction(module)
    expect(await running.get('/.ryo-faas/metrics')).toContain('faas_invocations_total')
  })

  it('takes a default export, and an export whose name is not an identifier', async () => {
    const { dir } = folder({
      'hello.ts': `const it = () => new Response('it'); export default it; export { it as 'my-name' }`,
    })
    expect(await answerOf(dir, { exportName: 'default' })).toBe('it')
    expect(await answerOf(dir, { name: 'my-name', exportName: 'my-name' })).toBe('it')
  })

  it('takes CommonJS with its require, __dirname and module', async () => {
    const { dir } = folder({
      'hello.cjs': `const { basename } = require('node:path')
        if (require.main === module) throw new Error('not the main module')
        exports.hello = (req, res) => res.end(basename(__filename) + ' ' + require('./data.json').n)`,
      'data.json': `{ "n": 7 }`,
    })
    expect(await answerOf(dir, { style: 'node', filePath: join(dir, 'hello.cjs') })).toBe('hello.cjs 7')
  })

  it('lets user code declare the names that bundles need', async () => {
    const { dir } = folder({
      'hello.ts': `import { createRequire } from 'node:module'
        import { dirname } from 'node:path'
        import { fileURLToPath } from 'node:url'
        const require = createRequire(import.meta.url)
        const __filename = fileURLToPath(import.meta.url)
        const __dirname = dirname(__filename)
        export const hello = () => new Response([require('node:path').relative(__dirname, __filename), import.meta.main].join())`,
    })
    expect(await answerOf(dir)).toBe('hello.ts,false')
  })

  it('honours tsconfig.json, JSX, decorators, top-level await and JSON imports', async () => {
    const { dir } = folder({
      'tsconfig.json': `{ "compilerOptions": { "experimentalDecorators": true, "paths": { "@/*": ["./lib/*"] },
        "jsx": "react", "jsxFactory": "h" } }`,
      'lib/tag.ts': `export const tag = (text: string) => (target: any) => { target.tag = text }`,
      'hello.tsx': `import { tag } from '@/tag'
        import data from './data.json'
        const h = (name: string) => '<' + name + '>'
        @tag('tagged') class A { static tag: string }
        const late = await Promise.resolve('late')
        export const hello = () => new Response([A.tag, late, data.n, <p />].join())`,
      'data.json': `{ "n": 7 }`,
    })
    expect(await answerOf(dir, { filePath: join(dir, 'hello.tsx') })).toBe('tagged,late,7,<p>')
  })

  it('bundles packages from node_modules, also from further up', async () => {
    const { dir, path } = folder({
      'node_modules/up/package.json': `{ "name": "up", "main": "up.js" }`,
      'node_modules/up/up.js': `module.exports = 'up'`,
      'app/node_modules/near/package.json': `{ "name": "near", "type": "module", "exports": "./near.js" }`,
      'app/node_modules/near/near.js': `export default 'near'`,
      'app/hello.ts': `import up from 'up'; import near from 'near'; export const hello = () => new Response(up + near)`,
    })
    expect(await answerOf(path('app'))).toBe('upnear')
    expect(filesIn(dir)).not.toContain('app/exported_hello.mjs')
  })

  it('shows the lines of the user in stack traces', async () => {
    const { dir } = folder({
      'hello.ts': `interface Unused {
  a: number
}

export function hello(): Response {
  throw new Error('on line 6')
}`,
    })
    const { module } = await write(dir)
    await using running = await runFunction(module)
    await running.get()
    expect(running.errors()).toMatch(/at hello \(.*[/\\]app[/\\]hello\.ts:6:9\)/)
  })
})

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
    expect(filesIn(out.path('1/app'))).toEqual(['exported_hello.mjs', 'exported_hello.mjs.map'])
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
    cpSync(runtimeDir, elsewhere.path('deep/runtime/src'), { recursive: true })
    cpSync(join(runtimeDir, '../package.json'), elsewhere.path('deep/runtime/package.json'))
    const other = new Builder({
      runtimeDir: elsewhere.path('deep/runtime'),
      cacheDir: cache.dir,
      environment: process.env,
    })
    const { hash } = await other.bundle(requestFor(dir), never)
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

describe('packages that cannot be bundled', () => {
  const native = {
    'node_modules/addon/package.json': `{ "name": "addon", "main": "lib/index.js", "dependencies": { "helper": "1" } }`,
    'node_modules/addon/binding.gyp': '{}',
    'node_modules/addon/lib/index.js': `module.exports = require('helper') + require('fs').readFileSync(__dirname + '/../prebuilds/x.txt')`,
    'node_modules/addon/prebuilds/x.txt': ' machine code',
    'node_modules/helper/package.json': `{ "name": "helper", "version": "1.0.0" }`,
    'node_modules/helper/index.js': `module.exports = require('deep')`,
    'node_modules/helper/node_modules/deep/package.json': `{ "name": "deep" }`,
    'node_modules/helper/node_modules/deep/index.js': `module.exports = 'deep'`,
  }

  it('are included with their dependencies, and a note says so', async () => {
    const { dir } = folder({
      ...native,
      'node_modules/helper/package.json': `{ "name": "helper", "dependencies": { "deep": "1" } }`,
      'hello.ts': `import addon from 'addon'; export const hello = () => new Response(addon)`,
    })
    const written = await write(dir)
    expect(written.notes).toEqual([expect.stringMatching(/^addon has a native addon/)])
    expect(filesIn(written.dir)).toContain('node_modules/deep/index.js')
    await using running = await runFunction(written.module)
    expect(await running.get()).toBe('deep machine code')
  })

  it('are nested where two versions are needed', async () => {
    const { dir } = folder({
      'hello.ts': `import a from 'a'; import b from 'b'; export const hello = () => new Response(a + b)`,
      'node_modules/a/package.json': `{ "name": "a", "gypfile": true, "dependencies": { "v": "1" } }`,
      'node_modules/a/index.js': `module.exports = require('v')`,
      'node_modules/b/package.json': `{ "name": "b", "gypfile": true, "dependencies": { "v": "2" } }`,
      'node_modules/b/index.js': `module.exports = require('v')`,
      'node_modules/b/node_modules/v/package.json': `{ "name": "v" }`,
      'node_modules/b/node_modules/v/index.js': `module.exports = 'v2'`,
      'node_modules/v/package.json': `{ "name": "v" }`,
      'node_modules/v/index.js': `module.exports = 'v1'`,
    })
    expect(await answerOf(dir)).toBe('v1v2')
  })

  it('may be a .node file of the package itself', async () => {
    const { dir } = folder({
      'hello.ts': `import addon from './native/x.node'
        export const hello = () => new Response(String(addon))`,
      'native/x.node': 'not really machine code',
    })
    const written = await write(dir)
    expect(filesIn(written.dir)).toContain('native/x.node')
    // The file is found and refused by the loader of the operating system.
    await expect(runFunction(written.module)).rejects.toThrow(
      /x\.node: (?:file too short|invalid ELF header)|ERR_DLOPEN/,
    )
  })
})

describe('a build fails', () => {
  it('with the location of every error, counted as editors do', async () => {
    const { dir, path } = folder({
      'hello.ts': `import a from 'not-installed'\nconst ä = '€'; import { nothing } from './sub/inner.ts'\nexport const hello = () => a + nothing`,
      'sub/inner.ts': `import './missing.ts'`,
    })
    const failure = bundle(dir)
    await expect(failure).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      problems: expect.arrayContaining([
        expect.objectContaining({
          code: 'build',
          file: path('hello.ts'),
          line: 1,
          column: 15,
          endColumn: 30,
          message: expect.stringContaining('"not-installed"'),
          hint: `Run: cd ${dir} && npm install not-installed`,
        }),
        expect.objectContaining({ file: path('sub/inner.ts'), line: 1, column: 8 }),
      ]),
    })
  })

  it('when a named import does not exist', async () => {
    const { dir, path } = folder({
      'hello.ts': `const ä = '€'; import { nothing } from './inner.ts'\nexport const hello = () => ä + nothing`,
      'inner.ts': `export const something = 1`,
    })
    await expect(bundle(dir)).rejects.toMatchObject({ problems: [{ file: path('hello.ts'), line: 1, column: 25 }] })
  })

  it('when the module is missing, has no such export, or does not parse; and works once it does', async () => {
    const made = folder()
    await expect(bundle(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      problems: [{ file: made.path('hello.ts') }],
    })
    made.write({ 'hello.ts': `export const other = 1` })
    await expect(bundle(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      problems: [{ file: made.path('hello.ts') }],
    })
    made.write({ 'hello.ts': `export const hello = (` })
    await expect(bundle(made.dir)).rejects.toMatchObject({ code: 'BUILD_FAILED', problems: [{ line: 1 }] })
    made.write({ 'hello.ts': `export const hello = () => new Response('')` })
    expect((await bundle(made.dir)).hash).toMatch(/^[0-9a-f]{16}$/)
  })

  it('when it is cancelled, before or during it', async () => {
    const { dir } = folder({ 'hello.ts': `export const hello = () => new Response('')` })
    await expect(builder.bundle(requestFor(dir), AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
    const controller = new AbortController()
    const building = builder.bundle(requestFor(dir), controller.signal)
    controller.abort()
    await expect(building).rejects.toMatchObject({ code: 'CANCELLED' })
    expect((await bundle(dir)).hash).toMatch(/^[0-9a-f]{16}$/)
  })

  it('when the package is too big, and includes nothing', async () => {
    const made = folder({ 'hello.ts': `export const hello = () => new Response('')`, 'big.bin': '' })
    truncateSync(made.path('big.bin'), 101 * 1024 * 1024)
    await expect(bundle(made.dir)).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining('100 MB'),
    })
  })
})

describe('several builds', () => {
  it('at once, of one function or of more functions than are kept warm, are independent', async () => {
    const made = folder(
      Object.fromEntries(
        Array.from({ length: 12 }, (_, n) => [`f${n}.ts`, `export const hello = () => new Response('${n}')`]),
      ),
    )
    const requests = Array.from({ length: 12 }, (_, n) => ({ name: `f${n}`, filePath: made.path(`f${n}.ts`) }))
    const hashes = await Promise.all([...requests, ...requests].map(async more => (await bundle(made.dir, more)).hash))
    expect(new Set(hashes).size).toBe(12)
    expect(hashes.slice(0, 12)).toEqual(hashes.slice(12))
  })
})
