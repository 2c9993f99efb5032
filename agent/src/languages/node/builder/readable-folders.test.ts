import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { TemporaryFolder } from './testing/bundled-function.ts'
import { useBuilder } from './testing/use-builder.ts'

const { folder, bundle, answerOf } = useBuilder()

function link(made: TemporaryFolder, from: string, to: string): void {
  mkdirSync(dirname(made.path(from)), { recursive: true })
  symlinkSync(to, made.path(from))
}

/** A project whose `app` is deployed; the secrets of the host are next to it. */
function project(files: Record<string, string>): TemporaryFolder {
  return folder({
    'home/secret.json': `{ "auth": "SECRET" }`,
    'home/secret.txt': 'SECRET',
    'app/hello.ts': `import stolen from 'pad'; export const hello = () => new Response(String(stolen))`,
    'app/node_modules/pad/package.json': `{ "name": "pad" }`,
    ...files,
  })
}

describe('a build does not read', () => {
  const index = 'app/node_modules/pad/index.js'

  it.each([
    ['json by a relative path', `module.exports = require('../../../home/secret.json')`],
    ['text by a relative path', `module.exports = require('../../../home/secret.txt')`],
    ['a file by a path through a package', `module.exports = require('pad/../../../home/secret.json')`],
    ['a file in a dynamic import', `module.exports = import('../../../home/secret.json')`],
    ['several files by a pattern', 'module.exports = name => require(`../../../home/${name}.json`)'],
    ['a file by a link of its own', `module.exports = require('./linked.json')`],
    ['a file by a linked folder of its own', `module.exports = require('./linked/secret.json')`],
    ['a module of native code', `module.exports = require('../../../home/addon.node')`],
  ])('%s outside the project', async (_what, code) => {
    const made = project({ [index]: code, 'home/addon.node': '' })
    link(made, 'app/node_modules/pad/linked.json', made.path('home/secret.json'))
    link(made, 'app/node_modules/pad/linked', made.path('home'))
    const failure = bundle(made.path('app'))
    await expect(failure).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      // A pattern finds everything in the folder.
      problems: expect.arrayContaining([
        expect.objectContaining({
          file: made.path(index),
          line: 1,
          message: expect.stringContaining(`is outside ${made.path('app')} and its packages`),
          hint: expect.stringContaining('Move it into the folder of deploy.json'),
        }),
      ]),
    })
  })

  it('a file by an absolute path, wherever it is', async () => {
    const made = project({})
    for (const path of [made.path('home/secret.json'), made.path('app/node_modules/pad/package.json')]) {
      made.write({ [index]: `module.exports = require(${JSON.stringify(path)})` })
      await expect(bundle(made.path('app'))).rejects.toMatchObject({
        problems: [{ file: made.path(index), message: expect.stringContaining(`"${path}" is an absolute path`) }],
      })
    }
  })

  it('what a path alias of tsconfig.json leads to outside', async () => {
    const made = project({
      'app/tsconfig.json': `{ "compilerOptions": { "paths": { "secret": ["../home/secret.json"] } } }`,
      'app/hello.ts': `import secret from 'secret'; export const hello = () => new Response(JSON.stringify(secret))`,
    })
    await expect(bundle(made.path('app'))).rejects.toMatchObject({
      problems: [{ file: made.path('app/hello.ts'), message: expect.stringContaining('secret.json is outside') }],
    })
  })

  it('a linked package from elsewhere, native or not, and what a native one is linked to', async () => {
    const made = project({
      'home/package.json': `{ "name": "evil", "main": "secret.json" }`,
      'app/hello.ts': `import stolen from 'evil'; export const hello = () => new Response(JSON.stringify(stolen))`,
    })
    link(made, 'app/node_modules/evil', made.path('home'))
    const refused = { code: 'BUILD_FAILED', problems: [{ message: expect.stringContaining('is outside') }] }
    await expect(bundle(made.path('app'))).rejects.toMatchObject(refused)
    made.write({ 'home/binding.gyp': '{}' })
    await expect(bundle(made.path('app'))).rejects.toMatchObject(refused)
    made.write({
      'app/node_modules/pad/package.json': `{ "name": "pad", "gypfile": true, "dependencies": { "evil": "1" } }`,
      'app/hello.ts': `import pad from 'pad'; export const hello = () => new Response(String(pad))`,
    })
    await expect(bundle(made.path('app'))).rejects.toMatchObject({
      code: 'BUILD_FAILED',
      message: expect.stringContaining(`evil: ${made.path('home')} is outside`),
    })
  })

  it('packages of the workspace that are not linked', async () => {
    const made = folder({
      'package.json': `{ "workspaces": ["packages/*"] }`,
      'packages/api/hello.ts': `import a from '@acme/a'; export const hello = () => new Response(a)`,
      'packages/a/package.json': `{ "name": "@acme/a" }`,
      'packages/a/index.js': `module.exports = require('../other/secret.json')`,
      'packages/other/secret.json': `"SECRET"`,
    })
    link(made, 'node_modules/@acme/a', '../../packages/a')
    await expect(bundle(made.path('packages/api'))).rejects.toMatchObject({
      problems: [
        { file: made.path('packages/a/index.js'), message: expect.stringContaining('secret.json is outside') },
      ],
    })
  })
})

describe('a build reads', () => {
  it('everything in the folder of deploy.json, also next to the package', async () => {
    const made = folder({
      'package.json': `{ "version": "7" }`,
      'src/hello.ts': `import { version } from '../package.json'; import { b } from '../lib/b.ts'
        export const hello = () => new Response(version + b)`,
      'lib/b.ts': `export const b = 'b'`,
    })
    expect(await answerOf(made.path('src'), { rootDir: made.dir })).toBe('7b')
  })

  it('hoisted packages and packages of the same workspace, with what those need', async () => {
    const made = folder({
      'package.json': `{ "workspaces": ["packages/*", "libs/deep/*"] }`,
      'tsconfig.base.json': `{ "compilerOptions": { "jsx": "react", "jsxFactory": "h" } }`,
      'node_modules/up/package.json': `{ "name": "up" }`,
      'node_modules/up/index.js': `module.exports = 'up'`,
      'node_modules/bare.js': `module.exports = 'bare'`,
      'packages/api/tsconfig.json': `{ "extends": "../../tsconfig.base.json" }`,
      'packages/api/hello.ts': `import a from '@acme/a'; import up from 'up'; import bare from 'bare'
        export const hello = () => new Response([a, up, bare].join())`,
      'packages/a/package.json': `{ "name": "@acme/a", "main": "src/index.ts" }`,
      'packages/a/src/index.ts': `import b from 'alias-of-b'; import up from 'up'; export default 'a' + b + up`,
      'libs/deep/b/package.json': `{ "name": "@acme/b" }`,
      'libs/deep/b/index.js': `module.exports = 'b' + require('of-libs') + require('./more')`,
      'libs/deep/b/more/index.js': `module.exports = '+'`,
      'libs/node_modules/of-libs/package.json': `{ "name": "of-libs" }`,
      'libs/node_modules/of-libs/index.js': `module.exports = 'of libs'`,
    })
    link(made, 'node_modules/@acme/a', '../../packages/a')
    link(made, 'node_modules/alias-of-b', '../libs/deep/b')
    expect(await answerOf(made.path('packages/api'))).toBe('abof libs+up,up,bare')
  })

  it("pnpm's links into its own folder, and between packages of a workspace; native ones as well", async () => {
    const made = folder({
      'pnpm-workspace.yaml': 'packages: ["packages/*"]',
      'packages/api/hello.ts': `import a from '@acme/a'; import x from 'x'; import n from 'native'
        export const hello = () => new Response([a, x, n].join())`,
      'packages/a/package.json': `{ "name": "@acme/a" }`,
      'packages/a/index.js': `module.exports = 'a' + require('@acme/b') + require('x')`,
      'packages/b/package.json': `{ "name": "@acme/b" }`,
      'packages/b/index.js': `module.exports = 'b'`,
      'node_modules/.pnpm/x@1/node_modules/x/package.json': `{ "name": "x" }`,
      'node_modules/.pnpm/x@1/node_modules/x/index.js': `module.exports = 'x' + require('y')`,
      'node_modules/.pnpm/y@1/node_modules/y/package.json': `{ "name": "y" }`,
      'node_modules/.pnpm/y@1/node_modules/y/index.js': `module.exports = 'y'`,
      'node_modules/.pnpm/native@1/node_modules/native/package.json': `{ "name": "native", "gypfile": true, "dependencies": { "y": "1" } }`,
      'node_modules/.pnpm/native@1/node_modules/native/index.js': `module.exports = 'n' + require('y')`,
    })
    link(made, 'packages/api/node_modules/x', '../../../node_modules/.pnpm/x@1/node_modules/x')
    link(made, 'packages/api/node_modules/native', '../../../node_modules/.pnpm/native@1/node_modules/native')
    link(made, 'packages/api/node_modules/@acme/a', '../../../a')
    link(made, 'packages/a/node_modules/@acme/b', '../../../b')
    link(made, 'packages/a/node_modules/x', '../../../node_modules/.pnpm/x@1/node_modules/x')
    link(made, 'node_modules/.pnpm/x@1/node_modules/y', '../../y@1/node_modules/y')
    link(made, 'node_modules/.pnpm/native@1/node_modules/y', '../../y@1/node_modules/y')
    expect(await answerOf(made.path('packages/api'))).toBe('abxy,xy,ny')
  })

  it('packages of a node_modules that is itself a link to another, as in a second worktree', async () => {
    const made = folder({
      'first/node_modules/up/package.json': `{ "name": "up" }`,
      'first/node_modules/up/index.js': `module.exports = 'up'`,
      'second/hello.ts': `import up from 'up'; export const hello = () => new Response(up)`,
    })
    link(made, 'second/node_modules', '../first/node_modules')
    expect(await answerOf(made.path('second'))).toBe('up')
  })
})
