import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { addonFacts } from './addon-facts.ts'
import { Builder } from './builder.ts'
import type { NativeSurroundings } from './native-notes.ts'
import { requestFor, RUNTIME_DIR, temporaryFolder, type TemporaryFolder } from './testing/bundled-function.ts'
import { useFolders } from './testing/use-builder.ts'
import { writeFakeAddon } from './testing/fake-addon.ts'

const cache = temporaryFolder()
const folder = useFolders()
afterAll(() => cache.remove())

async function notesOf(
  made: TemporaryFolder,
  surroundings: NativeSurroundings | ((base?: string) => NativeSurroundings) = {},
  node?: string,
): Promise<string[]> {
  const builder = new Builder({
    runtimeDir: RUNTIME_DIR,
    cacheDir: cache.dir,
    environment: process.env,
    surroundings: async base => (typeof surroundings === 'function' ? surroundings(base) : surroundings),
  })
  try {
    return (await builder.bundle({ ...requestFor(made.dir), node }, new AbortController().signal)).notes
  } finally {
    await builder.close()
  }
}

const usesAddon = {
  'hello.ts': `import addon from 'addon'; export const hello = () => new Response(addon)`,
  'node_modules/addon/package.json': `{ "name": "addon", "gypfile": true }`,
  'node_modules/addon/index.js': `module.exports = require('./build/Release/addon.node')`,
  'node_modules/addon/build/Release/addon.node': '',
}
const ADDON = 'node_modules/addon/build/Release/addon.node'
const taken = expect.stringMatching(/^addon has a native addon: it is not bundled but copied/)

describe('a package is native', () => {
  it('if one of its optional dependencies is installed and only for some system or processor', async () => {
    const made = folder({
      'hello.ts': `import sharp from 'sharp'; export const hello = () => new Response(sharp)`,
      'node_modules/sharp/package.json': `{ "name": "sharp", "optionalDependencies": { "@img/sharp-darwin": "1", "@img/sharp-linux": "1" } }`,
      'node_modules/sharp/index.js': `module.exports = require('@img/' + 'sharp-linux')`,
      'node_modules/@img/sharp-linux/package.json': `{ "name": "@img/sharp-linux", "os": ["linux"], "cpu": ["x64"] }`,
      'node_modules/@img/sharp-linux/index.js': `module.exports = 'machine code'`,
    })
    expect(await notesOf(made)).toEqual([
      'sharp has a native addon in @img/sharp-linux: it is not bundled but copied to node_modules, as installed here',
    ])
  })

  it('but not if an optional dependency is for every system, or not installed', async () => {
    const made = folder({
      'hello.ts': `import plain from 'plain'; export const hello = () => new Response(plain)`,
      'node_modules/plain/package.json': `{ "name": "plain", "optionalDependencies": { "absent": "1", "any": "1" } }`,
      'node_modules/plain/index.js': `module.exports = 'plain'`,
      'node_modules/any/package.json': `{ "name": "any" }`,
    })
    expect(await notesOf(made)).toEqual([])
  })
})

describe.runIf(process.platform === 'linux')('a note about an addon that will not load says', () => {
  it('that it was built for another Node, with the fix', async () => {
    const made = folder(usesAddon)
    writeFakeAddon(made.path(ADDON), ['libc.so.6'], 'node_register_module_v115')
    expect(await notesOf(made, { modules: '137' })).toEqual([
      taken,
      expect.stringMatching(
        /^addon will not load: it was built for Node 20 \(NODE_MODULE_VERSION 115\), and functions run on Node 24 .* or set "node": "20" in deploy\.json$/,
      ),
    ])
    expect(await notesOf(made, { modules: '115' })).toEqual([taken])
    expect(await notesOf(made)).toEqual([taken])
    const byBase = (base?: string) => ({ modules: base === 'node@20' ? '115' : '137' })
    expect(await notesOf(made, byBase)).toHaveLength(2)
    expect(await notesOf(made, byBase, '20')).toEqual([taken])
    writeFakeAddon(made.path(ADDON), ['libc.so.6'], 'node_register_module_v108')
    expect((await notesOf(made, { modules: '137' }))[1]).toMatch(/built for Node 18 .*startFaas --node <its path>$/)
  })

  it('as node-gyp recorded it, but not for Node-API, nor where one of several builds fits', async () => {
    const made = folder({ ...usesAddon, 'node_modules/addon/build/config.gypi': `{ "node_module_version": 115 }` })
    writeFakeAddon(made.path(ADDON), [], 'node_module_register')
    expect(await notesOf(made, { modules: '137' })).toEqual([taken, expect.stringContaining('built for Node 20')])
    writeFakeAddon(made.path(ADDON), [], 'napi_register_module_v1')
    expect(await notesOf(made, { modules: '137' })).toEqual([taken])
    writeFakeAddon(made.path(ADDON), [], 'node_register_module_v115')
    made.write({ 'node_modules/addon/build/Release/137.node': '' })
    writeFakeAddon(made.path('node_modules/addon/build/Release/137.node'), [], 'node_register_module_v137')
    expect(await notesOf(made, { modules: '137' })).toEqual([taken])
  })

  it('that the image lacks a library, unless the package brings it or the build is for another system', async () => {
    const made = folder({
      ...usesAddon,
      'node_modules/addon/lib/libown.so.2': '',
      'node_modules/addon/prebuilds/musl.node': '',
      'node_modules/addon/prebuilds/darwin.node': 'Mach-O',
      'node_modules/addon/prebuilds/freebsd.node': '',
    })
    writeFakeAddon(made.path(ADDON), ['libc.so.6', 'libown.so.2', 'libX11.so.6'])
    writeFakeAddon(made.path('node_modules/addon/lib/libown.so.2'), ['libc.so.6', 'libgomp.so.1'])
    writeFakeAddon(made.path('node_modules/addon/prebuilds/musl.node'), ['libc.musl-x86_64.so.1', 'libother.so.1'])
    const freebsd = made.path('node_modules/addon/prebuilds/freebsd.node')
    writeFakeAddon(freebsd, ['libc.so.7'])
    const marked = readFileSync(freebsd)
    marked[7] = 9
    writeFileSync(freebsd, marked)
    expect(await notesOf(made, { libraries: new Set(['libc.so.6']) })).toEqual([
      taken,
      expect.stringMatching(/^addon will not load: it needs libX11\.so\.6, libgomp\.so\.1, which .*--base-image/),
    ])
    expect(await notesOf(made, {})).toEqual([taken])
  })

  it('the same as the loader of the system', async () => {
    const listed = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
    const { libraries, foreign } = await addonFacts(process.execPath)
    expect(foreign).toBe(false)
    expect(libraries).toContain('libc.so.6')
    for (const library of libraries) expect(listed).toContain(basename(library))
  })
})

it('says that a package finds no browser in the image', async () => {
  const made = folder({
    'hello.ts': `import { launch } from 'puppeteer-core'\nexport const hello = () => new Response(launch())`,
    'node_modules/puppeteer-core/package.json': '{"name":"puppeteer-core","main":"index.js"}',
    'node_modules/puppeteer-core/index.js': `exports.launch = () => 'up'`,
  })
  expect(await notesOf(made, { libraries: new Set() })).toEqual([
    expect.stringMatching(/puppeteer-core finds no browser .*"networks".*--engine process/),
  ])
  expect(await notesOf(made)).toEqual([])
})
