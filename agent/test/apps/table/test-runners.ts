/** Projects that test their function with the kit, in the runner that they have; the tests run before the deploy. */
import type { App } from '../app.ts'

const HELLO = `import { context, store } from '@ryo-faas/runtime'
export const hello = async (request: Request): Promise<Response> => {
  if (request.method === 'POST') await store('visits').create({ at: request.headers.get('x-scheduled-at') })
  return new Response(context().name)
}
`
const JS_HELLO = HELLO.replace('request: Request', 'request').replace(': Promise<Response>', '')

/** @param head imports of the runner; `handler` where the function is */
function testOf(head: string, handler: string): string {
  return `import { testFunction } from '@ryo-faas/runtime/testing'
${head}
import { hello } from '${handler}'
test('says hello, in time', async () => {
  const app = await testFunction(hello, { name: 'hello', schedule: { every: '1m' }, clock: { at: '2026-01-01' } })
  equal(await (await app.request('/')).text(), 'hello')
  await app.clock.advance(60_000)
  const { documents } = await app.store('visits').query()
  equal(documents[0].data.at, '2026-01-01T00:01:00.000Z')
  await app.close()
})
`
}

const equal = (from: string) =>
  `import { expect, test } from '${from}'\nconst equal = (one, other) => expect(one).toEqual(other)`
const JEST = ['node', '--experimental-vm-modules', 'node_modules/jest/bin/jest.js']
const SWC = { '@swc/jest': '0.2', '@swc/core': '1' }
const swc = (type: string) => [
  '@swc/jest',
  { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' }, module: { type } },
]

export const TEST_RUNNERS: App[] = [
  tested({
    runner: 'vitest',
    dependencies: { vitest: '4' },
    files: {
      'tests/hello.test.ts': testOf(
        equal('vitest').replace('one, other', 'one: unknown, other: unknown'),
        '../hello.ts',
      ),
    },
    run: ['node', 'node_modules/vitest/vitest.mjs', 'run'],
  }),
  tested({
    runner: 'jest with ts-jest',
    dependencies: { jest: '30', 'ts-jest': '29', typescript: '5' },
    files: {
      // Types of the test itself are the user's business.
      'tests/hello.test.ts': `// @ts-nocheck\n${testOf(equal('@jest/globals'), '../hello.js')}`,
      'jest.config.json': JSON.stringify({
        preset: 'ts-jest/presets/default-esm',
        moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
      }),
      'tsconfig.json': JSON.stringify({
        compilerOptions: {
          module: 'nodenext',
          target: 'es2022',
          strict: true,
          skipLibCheck: true,
          isolatedModules: true,
        },
      }),
    },
    run: JEST,
  }),
  tested({
    runner: 'jest with swc',
    dependencies: { jest: '30', ...SWC },
    files: {
      'tests/hello.test.ts': testOf(equal('@jest/globals'), '../hello.ts'),
      'jest.config.json': JSON.stringify({ extensionsToTreatAsEsm: ['.ts'], transform: { '\\.ts$': swc('es6') } }),
    },
    run: JEST,
  }),
  tested({
    runner: 'jest with swc, as CommonJS',
    dependencies: { jest: '30', ...SWC },
    manifest: { type: 'commonjs' },
    files: {
      'tests/hello.test.ts': testOf(equal('@jest/globals'), '../hello'),
      // What is published is modules only: Jest has to translate it.
      'jest.config.json': JSON.stringify({
        transform: { '\\.[jt]s$': swc('commonjs') },
        transformIgnorePatterns: ['/node_modules/(?!@ryo-faas/)'],
      }),
    },
    run: ['node', 'node_modules/jest/bin/jest.js'],
  }),
  tested({
    runner: 'node:test',
    dependencies: {},
    files: {
      'hello.js': JS_HELLO,
      'hello.test.js': testOf(
        "import assert from 'node:assert/strict'\nimport { test } from 'node:test'\nconst { equal } = assert",
        './hello.js',
      ),
    },
    run: ['node', '--test'],
    deploy: [{ name: 'hello', filePath: './hello.js' }],
  }),
]

interface Tested {
  runner: string
  dependencies: Record<string, string>
  manifest?: Record<string, unknown>
  files: Record<string, string>
  run: string[]
  deploy?: App['deploy']
}

function tested({ runner, dependencies, files, run, ...more }: Tested): App {
  return {
    name: `unit test of a function in ${runner}`,
    dependencies,
    files: { ...('hello.js' in files ? {} : { 'hello.ts': HELLO }), ...files },
    build: [['node', '-e', placeRuntime()], run],
    calls: [{ answer: 'hello' }],
    ...more,
  } as App
}

/** A program that puts our own package in place, which is not in a registry yet. */
function placeRuntime(): string {
  const runtime = new URL('../../../../runtime', import.meta.url).pathname
  const to = 'node_modules/@ryo-faas/runtime'
  return `const fs = require('node:fs'); for (const name of ['dist', 'package.json']) fs.cpSync(${JSON.stringify(runtime)} + '/' + name, '${to}/' + name, { recursive: true })`
}
