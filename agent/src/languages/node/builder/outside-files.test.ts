import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { Builder } from './builder.ts'
import { requestFor, runFunction, temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'

const runtimeDir = fileURLToPath(new URL('../../../../../runtime/src', import.meta.url))
const builder = new Builder({ runtimeDir, cacheDir: '/nonexistent', environment: {} })
afterAll(() => builder.close())
const folders: TemporaryFolder[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove()
})

const SHARED = {
  'packages/shared/package.json': '{ "name": "@acme/shared", "exports": "./src/index.ts" }',
  'packages/shared/tsconfig.json': '{ "compilerOptions": { "paths": { "#own": ["./src/own.ts"] } } }',
  'packages/shared/src/own.ts': `export const own = 'by its own tsconfig'`,
  'packages/shared/src/index.ts': `import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { own } from '#own'
export const text = () => readFileSync(join(import.meta.dirname, 'template.txt'), 'utf8') + own`,
  'packages/shared/src/template.txt': 'template ',
  'packages/shared/.env': 'secret',
  'packages/app/package.json': '{ "name": "@acme/app", "dependencies": { "@acme/shared": "*" } }',
  'packages/app/hello.ts': `import { text } from '@acme/shared'\nexport const hello = () => new Response(text())`,
}

/** A workspace as a package manager leaves it. */
function workspace(files: Record<string, string> = {}): TemporaryFolder {
  const made = temporaryFolder({ 'package.json': '{ "workspaces": ["packages/*"] }', ...SHARED, ...files })
  folders.push(made)
  mkdirSync(made.path('node_modules/@acme'), { recursive: true })
  symlinkSync('../../packages/shared', made.path('node_modules/@acme/shared'))
  return made
}

const bundle = (made: TemporaryFolder, packageDir: string) =>
  builder.bundle(requestFor(made.path(packageDir)), new AbortController().signal)

async function answerOf(bundled: Awaited<ReturnType<typeof bundle>>) {
  const out = temporaryFolder()
  folders.push(out)
  const { dir, entry } = await bundled.write(out.path('1'))
  await using running = await runFunction(`${dir}/${entry}`)
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter(path => path.includes('.'))
  return { answer: await running.get(), files: files.sort() }
}

describe('a package of the same workspace', () => {
  it('brings the files that it reads, has its own tsconfig, and is known to be a source', async () => {
    const made = workspace()
    const bundled = await bundle(made, 'packages/app')
    expect(await answerOf(bundled)).toEqual({
      answer: 'template by its own tsconfig',
      files: [
        'exported_hello.mjs',
        'exported_hello.mjs.map',
        'package.json',
        'ryo-faas-metrics.cjs',
        'ryo-faas-runtime.cjs',
        'shared/package.json',
        'shared/src/template.txt',
      ],
    })
    expect(bundled.folders).toContain(made.path('packages/shared'))
    expect(bundled.folders).not.toContain(made.path('packages/app'))
    // The same in every folder, and another with another file.
    expect((await bundle(workspace(), 'packages/app')).hash).toBe(bundled.hash)
    made.write({ 'packages/shared/src/template.txt': 'other ' })
    expect((await bundle(made, 'packages/app')).hash).not.toBe(bundled.hash)
  })

  it('brings nothing if its code does not ask where it is', async () => {
    const made = workspace({ 'packages/shared/src/index.ts': `export const text = () => 'text'` })
    const { files } = await answerOf(await bundle(made, 'packages/app'))
    expect(files).toEqual([
      'exported_hello.mjs',
      'exported_hello.mjs.map',
      'package.json',
      'ryo-faas-metrics.cjs',
      'ryo-faas-runtime.cjs',
    ])
  })

  it('fails the build if one of its files would replace one of the function', async () => {
    const made = workspace({ 'packages/app/shared/src/template.txt': 'of the function' })
    await expect(bundle(made, 'packages/app')).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringMatching(/app\/shared\/src\/template\.txt and .*would be the same file/),
    })
  })
})

it('a file that code beside the package names by URL is included, if it is in the folder of deploy.json', async () => {
  const made = temporaryFolder({
    'secret.txt': 'secret',
    'project/lib/read.ts': `import { existsSync, readFileSync } from 'node:fs'
export const text = readFileSync(new URL('./text.txt', import.meta.url), 'utf8')
export const secret = existsSync(new URL('../../secret.txt', import.meta.url))`,
    'project/lib/text.txt': 'text',
    'project/lib/other.txt': 'other',
    'project/hello/hello.ts': `import { secret, text } from '../lib/read.ts'\nexport const hello = () => new Response(text + secret)`,
  })
  folders.push(made)
  const request = requestFor(made.path('project/hello'), { rootDir: dirname(made.path('project/hello')) })
  const { answer, files } = await answerOf(await builder.bundle(request, new AbortController().signal))
  expect(answer).toBe('textfalse')
  expect(files.filter(path => path.endsWith('.txt'))).toEqual(['lib/text.txt'])
})
