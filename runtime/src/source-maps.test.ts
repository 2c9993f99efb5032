/** Each in its own process: the format of stacks is one setting per process. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect, test } from 'vitest'

const SOURCE = fileURLToPath(new URL('.', import.meta.url))
let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'ryo-faas-stacks-'))))
afterAll(() => rm(folder, { recursive: true }))

let bundles = 0

/** Bundles a module whose stacks are mapped. @returns the path of the bundle */
async function bundled(code: string, file = `code-${bundles}.ts`): Promise<string> {
  const bundle = join(folder, `bundle-${bundles++}.mjs`)
  await writeFile(join(folder, file), code)
  await build({
    stdin: {
      contents: `import { mapStacks } from 'mapping'\nmapStacks(process.argv[1])\nawait import('./${file}')`,
      resolveDir: folder,
    },
    outfile: bundle,
    ...{ bundle: true, format: 'esm', platform: 'node', sourcemap: true, sourcesContent: false, logLevel: 'silent' },
    alias: { mapping: join(SOURCE, 'source-maps.ts') },
  })
  return bundle
}

async function outputOf(bundle: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [bundle])
  return stdout
}

test('a stack names the lines of the source, also in a path with a dollar sign and in a constructor', async () => {
  const code = `interface Unused { a: 1 }

class Thing { constructor() { throw new Error('boom') } }
const make = () => new Thing()
try { make() } catch (error) { console.log((error as Error).stack) }`
  const bundle = await bundled(code, `$&-$$id.ts`)
  const stack = await outputOf(bundle)
  expect(stack).toMatch(/^Error: boom\n {4}at /)
  expect(stack).toContain(`(${join(folder, '$&-$$id.ts')}:3:37)`)
  expect(stack).toContain(`make (${join(folder, '$&-$$id.ts')}:4:20)`)
})

test.each([
  ['is not there', undefined],
  ['is not JSON', '{'],
  ['is something else', '{"version":3}'],
  ['ends within a number', '{"version":3,"sources":["a.ts"],"mappings":"AAAA;AAg"}'],
  ['has mappings that are none', '{"version":3,"sources":["a.ts"],"mappings":"AAAA;!!"}'],
  ['names a source that it does not have', '{"version":3,"sources":[],"mappings":"AAAA;AAAA;AAAA;AAAA;AAAA;AAAA"}'],
  ['has null for its sources', '{"version":3,"sources":[null],"mappings":"AAAA;AAAA;AAAA;AAAA;AAAA;AAAA"}'],
])('with a map that %s, a stack has the lines of the bundle', async (_what, map) => {
  const bundle = await bundled(`console.log(new Error('boom').stack)`)
  if (map === undefined) await rm(`${bundle}.map`)
  else await writeFile(`${bundle}.map`, map)
  expect(await outputOf(bundle)).toMatch(/^Error: boom\n {4}at .*bundle-\d+\.mjs:\d+:\d+/)
})

test('reading a stack never throws, whatever is in it', async () => {
  const bundle = await bundled(`
const bare = Object.create(null)
const hostile = { toString() { throw new Error('not this one') } }
const named = Object.assign(new Error('named'), { name: Symbol('x') })
for (const target of [bare, hostile, {}, () => {}]) {
  Error.captureStackTrace(target)
  console.log(typeof target.stack)
}
console.log(typeof named.stack)
console.log(eval('new Error("from eval")').stack.split('\\n')[0])
const frames = [{ getFileName: () => 7, toString() { throw new Error('not this one') } }, { toString: () => 'odd' }]
console.log(Error.prepareStackTrace(new Error('odd frames'), frames))`)
  expect(await outputOf(bundle)).toBe(
    'string\n'.repeat(5) + 'Error: from eval\nError: odd frames\n    at <anonymous>\n    at odd\n',
  )
})

test('the first stack of a large bundle takes as much memory as its map, not many times that', async () => {
  const functions = Array.from({ length: 60_000 }, (_, at) => `export const f${at} = (a, b) => a.x(b) + ${at} * 2`)
  const bundle = await bundled(`${functions.join('\n')}
export function thrower() { throw new Error('at the end') }
const before = process.resourceUsage().maxRSS
try { thrower() } catch (error) { console.log(error.stack.split('\\n')[1]) }
console.log((process.resourceUsage().maxRSS - before) * 1024)`)
  const [frame, bytes] = (await outputOf(bundle)).split('\n')
  const { size } = await stat(`${bundle}.map`)
  expect(size).toBeGreaterThan(3_000_000)
  expect(frame).toContain('.ts:60001:')
  expect(Number(bytes) / size).toBeLessThan(8)
})
