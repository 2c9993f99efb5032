import { describe, expect, it } from 'vitest'
import { useBuilder } from './testing/use-builder.ts'

const { folder, bundle, run } = useBuilder()

describe('what a package requires but is not installed', () => {
  const drivers = Array.from({ length: 12 }, (_, n) => `driver${n}`)
  const files = {
    'hello.ts': `import knex from 'knex'
      export const hello = async () => new Response(['sqlite', 'driver3', 'later'].map(name => knex(name)).join() + await knex.late())`,
    'node_modules/knex/package.json': `{ "name": "knex" }`,
    'node_modules/knex/index.js': `
      const drivers = { sqlite: () => 'fine', ${drivers.map(name => `${name}: () => require('${name}/promise')`).join()}, later: () => require('later') }
      module.exports = name => { try { return drivers[name]() } catch (error) { return error.code } }
      module.exports.late = () => import('later').catch(error => ' ' + error.code)`,
  }

  it('is noted, and throws as in Node when the line is reached', async () => {
    expect(await run(folder(files).dir)).toMatchObject({
      answer: 'fine,MODULE_NOT_FOUND,MODULE_NOT_FOUND ERR_MODULE_NOT_FOUND',
      notes: [expect.stringMatching(/^knex may require driver0\/promise, .*later, which is not installed/)],
    })
  })

  it('is bundled as soon as it is installed', async () => {
    const made = folder(files)
    await bundle(made.dir)
    made.write({
      'node_modules/driver3/package.json': `{ "name": "driver3" }`,
      'node_modules/driver3/promise.js': `module.exports = 'installed'`,
    })
    const { answer, notes } = await run(made.dir)
    expect(answer).toBe('fine,installed,MODULE_NOT_FOUND ERR_MODULE_NOT_FOUND')
    expect(notes.join()).not.toContain('driver3')
  })

  it('still fails the build in a static import, and in files of the user even if packages do the same', async () => {
    const made = folder({
      ...files,
      'hello.ts': `import knex from 'knex'; export const hello = () => new Response(knex(require('later')))`,
    })
    await expect(bundle(made.dir)).rejects.toMatchObject({
      problems: [{ file: made.path('hello.ts'), hint: expect.stringContaining('npm install later') }],
    })
    made.write({
      'hello.ts': files['hello.ts'],
      'node_modules/knex/index.js': `import later from 'later'; export default later`,
    })
    await expect(bundle(made.dir)).rejects.toMatchObject({
      problems: [{ file: made.path('node_modules/knex/index.js') }],
    })
  })
})

describe('a file that is not code', () => {
  it('is imported as text, and WebAssembly as bytes', async () => {
    const made = folder({
      'hello.ts': `import sql from './a.sql'; import graphql from './a.graphql'; import gql from './a.gql'
        import html from './a.html'; import txt from './a.txt'; import md from './a.md'; import csv from './a.csv'; import wasm from './a.wasm'
        export const hello = async () => {
          const { instance } = await WebAssembly.instantiate(wasm)
          return new Response([sql, graphql, gql, html, txt, md, csv, instance.exports.seven()].join())
        }`,
      ...Object.fromEntries(['sql', 'graphql', 'gql', 'html', 'txt', 'md', 'csv'].map(name => [`a.${name}`, name])),
    })
    // (module (func (export "seven") (result i32) i32.const 7))
    const module =
      '\0asm\x01\0\0\0\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x07\x09\x01\x05seven\0\0\x0a\x06\x01\x04\0\x41\x07\x0b'
    made.write({ 'a.wasm': module })
    expect((await run(made.dir)).answer).toBe('sql,graphql,gql,html,txt,md,csv,7')
  })
})
