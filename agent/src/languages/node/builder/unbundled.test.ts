import { cpSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { filesIn, runFunction } from './testing/bundled-function.ts'
import { useBuilder } from './testing/use-builder.ts'

const { folder, bundle, write, run } = useBuilder()

/** A module that counts how often it is loaded, in a state that a second copy would not share. */
const COUNTER = `let loaded = 0; exports.next = () => ++loaded`

/** `made` needs `counter`, and reads a file next to its code. */
const MADE = {
  'node_modules/made/package.json': `{ "name": "made", "version": "1.2.3", "dependencies": { "counter": "1" } }`,
  'node_modules/made/index.js': `const { next } = require('counter')
    exports.made = () => next() + require('fs').readFileSync(__dirname + '/data.txt', 'utf8')`,
  'node_modules/made/data.txt': ' data',
  'node_modules/counter/package.json': `{ "name": "counter", "version": "4.5.6" }`,
  'node_modules/counter/index.js': COUNTER,
}

describe('packages named in "unbundled"', () => {
  it('are taken along as they are, with what they need', async () => {
    const made = folder({
      ...MADE,
      'hello.ts': `import { made } from 'made'; export const hello = () => new Response(made())`,
    })
    const { answer, facts } = await run(made.dir, { unbundled: ['made'] })
    expect(answer).toBe('1 data')
    expect(facts).toMatchObject({
      bundled: [],
      unbundled: [
        { name: 'made', version: '1.2.3', why: 'is in "unbundled" of deploy.json', native: false },
        {
          name: 'counter',
          why: 'is needed by made, which is not bundled',
          neededBy: 'made',
          bytes: expect.any(Number),
        },
      ],
    })
    expect(facts!.unbundled[1]!.bytes).toBeGreaterThan(COUNTER.length)
  })

  it('share one copy with the bundle', async () => {
    const made = folder({
      ...MADE,
      'node_modules/uses/package.json': `{ "name": "uses" }`,
      'node_modules/uses/index.js': `exports.uses = () => require('counter').next()`,
      'hello.ts': `import { next } from 'counter'; import { uses } from 'uses'; import { made } from 'made'
        export const hello = () => new Response([next(), uses(), made()].join())`,
    })
    const { answer, facts } = await run(made.dir, { unbundled: ['made'] })
    expect(answer).toBe('1,2,3 data')
    expect(facts!.bundled.map(({ name }) => name)).toEqual(['uses'])
  })

  it('may be a group, and may be loaded by a name that no import shows', async () => {
    const made = folder({
      'node_modules/@acme/a/package.json': `{ "name": "@acme/a" }`,
      'node_modules/@acme/a/index.js': `exports.place = __dirname`,
      'node_modules/plugin-b/package.json': `{ "name": "plugin-b" }`,
      'node_modules/plugin-b/index.js': `module.exports = 'b'`,
      'hello.ts': `import { place } from '@acme/a'; const name = ['plugin', 'b'].join('-')
        export const hello = () => new Response(place.split('node_modules')[1] + require(name))`,
    })
    const { answer, notes } = await run(made.dir, { unbundled: ['@acme/*', 'plugin-b', '@other/*'] })
    expect(answer).toBe('/@acme/ab')
    expect(notes).toEqual(['"unbundled" has @other/*, but no package of that name is imported'])
  })

  it('export all their names, also those that Node does not see in CommonJS', async () => {
    const made = folder({
      'node_modules/made/package.json': `{ "name": "made" }`,
      'node_modules/made/index.js': `for (const name of ['a', 'b']) exports[name] = name`,
      'hello.ts': `import { a } from 'made'; import { c } from 'pure'
        export const hello = async () => new Response(a + (await import('made')).b + c)`,
      'node_modules/pure/package.json': `{ "name": "pure", "type": "module", "exports": "./index.js" }`,
      'node_modules/pure/index.js': `export const c = 'c'`,
    })
    expect((await run(made.dir, { unbundled: ['made', 'pure'] })).answer).toBe('abc')
  })

  it('must be installed', async () => {
    const made = folder({ 'hello.ts': `export const hello = () => new Response('')` })
    await expect(bundle(made.dir, { unbundled: ['nowhere'] })).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: '"unbundled" names nowhere, which is not installed',
      hint: `Run: cd ${made.dir} && npm install nowhere`,
    })
  })

  it('do not include another version, which is bundled where it is needed', async () => {
    const made = folder({
      'node_modules/v/package.json': `{ "name": "v" }`,
      'node_modules/v/index.js': `module.exports = 'v1'`,
      'node_modules/old/package.json': `{ "name": "old" }`,
      'node_modules/old/index.js': `module.exports = require('v')`,
      'node_modules/old/node_modules/v/package.json': `{ "name": "v" }`,
      'node_modules/old/node_modules/v/index.js': `module.exports = 'v0'`,
      'hello.ts': `import old from 'old'; import v from 'v'; export const hello = () => new Response(old + v)`,
    })
    expect((await run(made.dir, { unbundled: ['v'] })).answer).toBe('v0v1')
  })

  it('leave the hash the same in every folder, and for every build', async () => {
    const made = folder({
      ...MADE,
      'app/hello.ts': `import { made } from 'made'; import 'counter'; export const hello = () => new Response(made())`,
    })
    const other = folder()
    cpSync(made.path('app'), other.path('app'), { recursive: true })
    cpSync(made.path('node_modules'), other.path('app/node_modules'), { recursive: true })
    const hashOf = async (dir: string) => (await bundle(dir, { unbundled: ['made'] })).hash
    const hash = await hashOf(made.path('app'))
    expect(await hashOf(made.path('app'))).toBe(hash)
    expect(await hashOf(other.path('app'))).toBe(hash)
    made.write({ 'node_modules/made/data.txt': ' other' })
    expect(await hashOf(made.path('app'))).not.toBe(hash)
  })
})

describe('a package stays outside the bundle by itself', () => {
  it('if it is known not to work in one', async () => {
    const made = folder({
      'node_modules/tiktoken/package.json': `{ "name": "tiktoken" }`,
      'node_modules/tiktoken/index.js': `exports.bytes = require('fs').readFileSync(require('path').join(__dirname, 'x.wasm'), 'utf8')`,
      'node_modules/tiktoken/x.wasm': 'wasm',
      'hello.ts': `import { bytes } from 'tiktoken'; export const hello = () => new Response(bytes)`,
    })
    const { answer, facts } = await run(made.dir)
    expect(answer).toBe('wasm')
    expect(facts!.unbundled).toMatchObject([{ name: 'tiktoken', why: 'reads files next to its code' }])
  })

  it('if a package that is used loads it by name, and the function depends on it', async () => {
    const engine = (name: string) => ({
      [`node_modules/${name}/package.json`]: `{ "name": "${name}" }`,
      [`node_modules/${name}/index.js`]: `module.exports = '${name}'`,
    })
    const made = folder({
      'app/package.json': `{ "dependencies": { "ejs": "1", "express": "1" } }`,
      'app/src/hello.ts': `import load from 'express'; export const hello = () => new Response(load('ejs'))`,
      'node_modules/express/package.json': `{ "name": "express" }`,
      'node_modules/express/index.js': `module.exports = name => require(name)`,
      ...engine('ejs'),
      ...engine('pug'),
    })
    const { answer, facts } = await run(made.path('app/src'), { rootDir: made.path('app') })
    expect(answer).toBe('ejs')
    expect(facts!.unbundled.map(({ name }) => name)).toEqual(['ejs'])
    made.write({ 'app/src/hello.ts': `export const hello = () => new Response('')` })
    expect((await bundle(made.path('app/src'), { rootDir: made.path('app') })).facts!.unbundled).toEqual([])
  })

  it('if the code looks for it at run time', async () => {
    const made = folder({
      'node_modules/a/package.json': `{ "name": "a" }`,
      'node_modules/a/index.js': `exports.a = 'a'`,
      'node_modules/b/package.json': `{ "name": "b", "main": "b.js" }`,
      'node_modules/b/b.js': `module.exports = 'b'`,
      'node_modules/c/package.json': `{ "name": "c", "exports": "./c.js" }`,
      'node_modules/c/c.js': ``,
      'node_modules/d/package.json': `{ "name": "d", "optionalDependencies": { "e": "1" } }`,
      'node_modules/d/index.js': `exports.d = ['e', 'f'].map(name => { try { return require.resolve('e') && require.resolve('f') } catch (error) { return error.message.split("'")[1] } })[0]`,
      'node_modules/e/package.json': `{ "name": "e" }`,
      'node_modules/e/index.js': '',
      'node_modules/f/package.json': `{ "name": "f" }`,
      'node_modules/f/index.js': '',
      'hello.ts': `import { createRequire } from 'node:module'; import { readFileSync } from 'node:fs'
        import { a } from 'a'; import { d } from 'd'; import { found } from './found.ts'
        const load = createRequire(import.meta.url)
        export const hello = () => new Response([a, load('b'), JSON.parse(readFileSync(found, 'utf8')).name, d, import.meta.resolve('c').slice(-5)].join())`,
      'found.ts': `export const found = require.resolve('a/package.json')`,
    })
    const { answer, facts } = await run(made.dir)
    expect(answer).toBe('a,b,a,f,/c.js')
    expect(facts!.unbundled.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c', 'e'])
    expect(facts!.unbundled[0]!.why).toBe('is looked for in node_modules at run time')
  })
})

describe('what is placed in node_modules', () => {
  it('is what the code imports, also if something else needs another version', async () => {
    const made = folder({
      'node_modules/a/package.json': `{ "name": "a", "gypfile": true, "dependencies": { "v": "2" } }`,
      'node_modules/a/index.js': `module.exports = require('v') + require('v/deep')`,
      'node_modules/a/node_modules/v/package.json': `{ "name": "v", "dependencies": { "w": "1" } }`,
      'node_modules/a/node_modules/v/index.js': `module.exports = 'v2'`,
      'node_modules/a/node_modules/v/deep.js': `module.exports = require('w')`,
      'node_modules/v/package.json': `{ "name": "v", "gypfile": true }`,
      'node_modules/v/index.js': `module.exports = 'v1'`,
      'node_modules/w/package.json': `{ "name": "w" }`,
      'node_modules/w/index.js': `module.exports = 'w'`,
      'hello.ts': `import a from 'a'; import v from 'v'; export const hello = () => new Response(a + v)`,
    })
    expect((await run(made.dir)).answer).toBe('v2wv1')
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
    expect((await run(dir)).answer).toBe('v1v2')
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
