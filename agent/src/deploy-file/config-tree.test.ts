import { getNodeValue } from 'jsonc-parser'
import { expect, test } from 'vitest'
import { configTree } from './config-tree.ts'

function valueOf(text: string): unknown {
  const tree = configTree(text)
  if (tree.kind === 'problem') throw new Error(tree.message)
  return getNodeValue(tree.root)
}

/** The text that a problem points at, and what it says. */
function problemOf(text: string): [string, string] {
  const tree = configTree(text)
  if (tree.kind === 'read') throw new Error('it was read')
  return [text.slice(tree.offset, tree.offset + tree.length), tree.message]
}

test('literals, constants, spreads, templates and types are read without running anything', () => {
  const text = `
import { defineConfig, type Config } from '@ryo-faas/runtime/config'
const root = './functions'
export const common = { memoryMb: 512, env: { LOG: 'debug', REGION: \`eu-\${1}\` } } as const
const entry = { ...common, name: 'hello', 'packageDir': root, filePath: \`\${root}/hello.ts\`, memoryMb: 256 }
const names = ['A', ...['B']]
export default defineConfig({
  deploy: [entry, { ...entry, name: 'other', secrets: names, cpus: -0.5, async: undefined, env: { X: common.env.LOG } }],
} satisfies Config)`
  const hello = { memoryMb: 256, env: { LOG: 'debug', REGION: 'eu-1' }, name: 'hello', packageDir: './functions' }
  const filePath = './functions/hello.ts'
  expect(valueOf(text)).toEqual({
    deploy: [
      { ...hello, filePath },
      { ...hello, filePath, name: 'other', secrets: ['A', 'B'], cpus: -0.5, env: { X: 'debug' } },
    ],
  })
  expect(valueOf(`module.exports = { deploy: [] }`)).toEqual({ deploy: [] })
})

test('what would have to be run is refused where it is', () => {
  const run = expect.stringContaining('have to be run') as string
  expect(problemOf(`export default { deploy: list() }`)).toEqual(['list()', run])
  expect(problemOf(`let a = 1; export default { a }`)).toEqual(['a', run])
  expect(problemOf(`const a = { b: a }; export default a`)).toEqual(['a', run])
  expect(problemOf(`export default { get a() { return 1 } }`)).toEqual(['get a() { return 1 }', run])
  expect(problemOf(`export default (() => ({}))()`)).toEqual(['(() => ({}))()', run])
  expect(problemOf(`export default { a: process.env.HOME }`)).toEqual([
    'process.env.HOME',
    expect.stringContaining('write them as "${NAME}"') as string,
  ])
  expect(problemOf(`import x from './x'; export default { ...x }`)).toEqual(['x', run])
  expect(problemOf(`const a = 1`)[1]).toContain('nothing is exported')
  expect(problemOf(`export default {\n  a: 1,,\n}`)).toEqual([
    ',',
    expect.stringContaining('Unexpected token') as string,
  ])
})
