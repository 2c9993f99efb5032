/** The agent's dependencies are the ones it needs, in compatible versions. */
import { readFile } from 'node:fs/promises'
import { glob } from 'tinyglobby'
import { expect, test } from 'vitest'

const root = new URL('../../', import.meta.url)

interface Manifest {
  dependencies: Record<string, string>
}

const manifest = async () => JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as Manifest

/** The checker needs it for users' functions. */
const NOT_IMPORTED = ['@types/node']

test('the agent imports every package it depends on', async () => {
  const names = Object.keys((await manifest()).dependencies).filter(name => !NOT_IMPORTED.includes(name))
  const ignore = ['**/*.test.ts', '**/*testing*', '**/testing/**']
  const files = await glob('src/**/*.ts', { cwd: root, ignore, absolute: true })
  const code = (await Promise.all(files.map(file => readFile(file, 'utf8')))).join('\n')
  expect(names.filter(name => !code.includes(`'${name}'`) && !code.includes(`'${name}/`))).toEqual([])
})

test('packages of OpenTelemetry, which pin each other, are pinned', async () => {
  const { dependencies } = await manifest()
  const versions = Object.entries(dependencies).filter(([name]) => name.startsWith('@opentelemetry/'))
  expect(versions.length).toBeGreaterThan(0)
  for (const [name, version] of versions) expect([name, version]).toEqual([name, expect.stringMatching(/^\d/)])
})
