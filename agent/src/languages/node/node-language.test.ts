import { chmodSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { languageContract } from '../testing/language-contract.ts'
import { Builder } from './builder/index.ts'
import { temporaryFolder } from './builder/testing/bundled-function.ts'
import { NodeLanguage } from './node-language.ts'

const runtimeDir = fileURLToPath(new URL('../../../../runtime', import.meta.url))
const make = (cacheDir: string) => new NodeLanguage({ runtimeDir, cacheDir, environment: {} })

languageContract('node', {
  make,
  entry: 'src/hello.ts',
  files: {
    'src/hello.ts': `import { answer } from './answer.ts'\nexport const hello = (): Response => new Response(answer)\n`,
    'src/answer.ts': `export const answer = 'hello'\n`,
  },
  change: { 'src/answer.ts': `export const answer = 'other'\n` },
  broken: { files: { 'src/hello.ts': `\nexport const hello = 'no function'\n` }, line: 2 },
})

test('Node gets its memory limit where nothing else enforces it, and the port for a debugger', () => {
  const command = (needs: object) => make('').command({ folder: '/app', entry: 'hello.mjs' }, needs)
  expect(command({})).toEqual(['node', '/app/hello.mjs'])
  expect(command({ memoryMb: 64, debug: { host: '127.0.0.1', port: 4711 } })).toEqual([
    'node',
    '--max-old-space-size=64',
    '--inspect=127.0.0.1:4711',
    '/app/hello.mjs',
  ])
})

test('types of packages are found where they are installed for a project that has a lock file only', async () => {
  const files = {
    'package.json': `{ "name": "app", "dependencies": { "kit": "1.0.0" } }`,
    'package-lock.json': `{ "lockfileVersion": 3, "packages": { "": { "dependencies": { "kit": "1.0.0" } } } }`,
    'src/hello.ts': `import { handler } from 'kit'\nexport const hello = handler\n`,
    'src/express.ts': `import type { Request } from 'express'\nexport const hello = (request: Request) => request\n`,
  }
  const [app, unlocked, cache] = [temporaryFolder(files), temporaryFolder(files), temporaryFolder()]
  const npm = cache.path('npm')
  cache.write({
    npm: `#!/bin/sh
      test -e "${cache.path('broken')}" && exit 1
      mkdir -p node_modules/kit node_modules/express
      echo '{ "name": "express", "types": "types.d.ts" }' > node_modules/express/package.json
      echo 'export interface Request { query: unknown }' > node_modules/express/types.d.ts
      echo '{ "name": "kit", "version": "1.0.0", "types": "kit.d.ts" }' > node_modules/kit/package.json
      echo 'export declare const handler: (request: Request) => Response' > node_modules/kit/kit.d.ts`,
    broken: '',
  })
  chmodSync(npm, 0o755)
  const language = new NodeLanguage({ runtimeDir, cacheDir: cache.path('packages'), environment: {}, npmPath: npm })
  const check = ({ dir, path }: typeof app, file = 'src/hello.ts') =>
    language.check([{ name: 'hello', kind: 'http', rootDir: dir, packageDir: dir, filePath: path(file), files: [] }])
  try {
    // The handler is only not recognised because its packages are missing: that comes first.
    const [failed] = await check(app)
    expect(failed).toMatchObject({ kind: 'rejected', problems: [{ code: 'not-installed' }, { line: 2 }] })
    rmSync(cache.path('broken'))
    expect(await check(app)).toMatchObject([{ kind: 'accepted' }])
    expect(await check(app, 'src/express.ts')).toMatchObject([{ kind: 'accepted', form: 'Express handler' }])
    rmSync(unlocked.path('package-lock.json'))
    expect(await check(unlocked)).toMatchObject([{ kind: 'rejected', problems: [{ line: 2 }] }])
  } finally {
    await language.close()
    for (const made of [app, unlocked, cache]) made.remove()
  }
})

test('what was bundled before is bundled while it is checked, and again if that was something else', async () => {
  const hello = (text: string) => `export const hello = (): Response => new Response('${text}')\n`
  const app = temporaryFolder({ 'hello.ts': hello('one') })
  const language = make(app.path('cache'))
  const bundled = vi.spyOn(Builder.prototype, 'bundle')
  onTestFinished(async () => {
    bundled.mockRestore()
    await language.close()
    app.remove()
  })
  const { signal } = new AbortController()
  const check = async () => {
    const source = { name: 'hello', kind: 'http' as const, filePath: app.path('hello.ts'), files: [] }
    const [outcome] = await language.check([{ ...source, rootDir: app.dir, packageDir: app.dir }])
    if (outcome?.kind !== 'accepted') throw new Error(JSON.stringify(outcome))
    return outcome
  }
  const first = await (await check()).bundle(signal)
  expect(bundled).toHaveBeenCalledTimes(1)
  app.write({ 'hello.ts': hello('two') })
  const second = await check()
  expect(bundled).toHaveBeenCalledTimes(2)
  const { hash } = await second.bundle(signal)
  expect(bundled).toHaveBeenCalledTimes(2)
  expect(hash).not.toBe(first.hash)

  // Of another style: what was bundled early would call it as before.
  const other = `import type { IncomingMessage, ServerResponse } from 'node:http'
export const hello = (_: IncomingMessage, response: ServerResponse) => void response.end('three')\n`
  app.write({ 'hello.ts': other })
  const third = await (await check()).bundle(signal)
  expect(bundled).toHaveBeenCalledTimes(4)
  expect(bundled.mock.calls.at(-1)![0]).toMatchObject({ style: 'node' })
  expect(third.hash).not.toBe(hash)

  // Half written when it was read, whole when it was checked.
  bundled.mockRejectedValueOnce(new Error('unexpected end of file'))
  expect((await (await check()).bundle(signal)).hash).toBe(third.hash)
  await expect((await check()).bundle(AbortSignal.abort())).rejects.toMatchObject({ code: 'CANCELLED' })
})
