import { readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { filesIn, requestFor, runFunction } from './testing/bundled-function.ts'
import { useBuilder } from './testing/use-builder.ts'

const { builder, folder, bundle, write, answerOf } = useBuilder()

describe('a bundle', () => {
  it('runs a Node-style function', async () => {
    const { dir } = folder({
      'hello.ts': `import type { IncomingMessage, ServerResponse } from 'node:http'
        export function hello(req: IncomingMessage, res: ServerResponse): void { res.end('Hello from ' + req.url) }`,
    })
    expect(await answerOf(dir, { style: 'node' })).toBe('Hello from /')
  })

  it('requires the runtime from beside it, with the adapter that the function needs', async () => {
    const { dir } = folder({ 'hello.ts': `export default { fetch: (r: Request) => new Response('Hi ' + r.method) }` })
    const written = await write(dir, { style: 'dialect', exportName: 'default', adapter: { name: 'fetchObject' } })
    await using running = await runFunction(written.module)
    expect(await running.get()).toBe('Hi GET')
    const holds = (path: string) => readFileSync(path, 'utf8').includes('passThroughOnException')
    expect([holds(written.module), holds(join(written.dir, 'ryo-faas-runtime.cjs'))]).toEqual([false, true])
  })

  it('has one runtime, also for code that requires it', async () => {
    const { dir } = folder({
      'hello.ts': `import { context } from '@ryo-faas/runtime'
        import { name } from './name.cjs'
        export const hello = () => new Response(context().name + ' ' + name())`,
      'name.cjs': `const { context } = require('@ryo-faas/runtime')
        exports.name = () => context().name`,
    })
    expect(await answerOf(dir)).toBe('hello hello')
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
