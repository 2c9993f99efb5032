import { expect, test } from 'vitest'
import { attachOther, attachTo } from './attach-configuration.ts'

const paths = {
  remoteRoot: '/app',
  localRoot: '/home/deployments/hello/3/app',
  entry: 'hello.mjs',
  sourceRoot: '/w/hello',
}

test('the debugger finds the bundle here, and the sources in the package', () => {
  const sources = ['hello.ts', 'lib/text.ts', '../shared/times.ts']
  expect(attachTo({ name: 'Hello', port: 4711, paths, sources })).toMatchObject({
    type: 'node',
    request: 'attach',
    address: '127.0.0.1',
    port: 4711,
    localRoot: paths.localRoot,
    remoteRoot: '/app',
    sourceMapPathOverrides: {
      'hello.ts': '/w/hello/hello.ts',
      'lib/text.ts': '/w/hello/lib/text.ts',
      '../shared/times.ts': '/w/shared/times.ts',
    },
  })
})

test('what is not of the package is not looked for in it', () => {
  const sources = ['node_modules/zod/index.js', '@ryo-faas/runtime', 'ryo-faas:entry.ts', 'hello.ts']
  const { sourceMapPathOverrides } = attachTo({ name: 'Hello', port: 1, paths, sources })
  expect(Object.keys(sourceMapPathOverrides as object)).toEqual(['hello.ts'])
})

test('Python runs a copy of the package, and Go knows where its sources are', () => {
  const target = { name: 'Hello', port: 4711, paths }
  expect(attachOther('debugpy', target)).toMatchObject({
    ...{ type: 'debugpy', request: 'attach', connect: { host: '127.0.0.1', port: 4711 } },
    pathMappings: [{ localRoot: '/w/hello', remoteRoot: '/app' }],
  })
  expect(attachOther('delve', target)).toMatchObject({
    ...{ type: 'go', request: 'attach', mode: 'remote', host: '127.0.0.1', port: 4711 },
  })
})
