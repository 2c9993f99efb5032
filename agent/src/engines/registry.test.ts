/** Other lists of the engines match the registry. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { EngineKind } from '../contract/index.ts'
import { AUTO } from './engine-choice.ts'
import { ENGINES } from './registry.ts'

interface Manifest {
  contributes: { configuration: { properties: Record<string, { enum?: string[] }> } }
}

test('kinds are unique names that the contract allows', () => {
  const kinds = ENGINES.map(({ kind }) => kind)
  expect(kinds.map(kind => EngineKind.parse(kind))).toEqual([...new Set(kinds)])
})

test('the setting of the editor offers exactly these engines', async () => {
  const path = new URL('../../../extension/package.json', import.meta.url)
  const { contributes } = JSON.parse(await readFile(path, 'utf8')) as Manifest
  const { enum: offered } = contributes.configuration.properties['ryo-faas.engine']!
  expect(offered).toEqual([AUTO, ...ENGINES.map(({ kind }) => kind)])
})
