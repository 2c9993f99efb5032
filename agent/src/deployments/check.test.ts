import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RyoFaasError } from '../contract/index.ts'
import { Languages, type Language } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { SecretStore } from '../secrets/index.ts'
import { checkFile } from './check.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rfa-check-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Runs on the Node that it is asked for. */
const language: Language = {
  ...SHELL,
  fields: ['node'],
  check: async sources =>
    sources.map(({ node }) => ({
      kind: 'accepted',
      ...(node !== undefined && { base: `node@${node}` }),
      bundle: () => Promise.reject(new Error('nothing is bundled')),
    })),
}

test('a version of Node that the engine does not have is a problem of its line; that it has no Node is asked for no other function', async () => {
  const file = join(folder, 'deploy.json')
  await writeFile(join(folder, 'a.sh'), '')
  const entry = (name: string, more = '') => `{ "name": "${name}", "packageDir": ".", "filePath": "./a.sh"${more} }`
  await writeFile(
    file,
    `{ "deploy": [\n${entry('plain')},\n${entry('old', ', "node": "20"')},\n${entry('new', ', "node": "99"')}\n] }`,
  )
  const asked: (string | undefined)[] = []
  const surroundings = async (base?: string) => {
    asked.push(base)
    if (base === 'node@99') throw new RyoFaasError('NODE_NOT_FOUND', 'Node 99 was not found', { hint: 'There: 20.1.0' })
    return {}
  }
  const dependencies = { languages: new Languages([language]), secrets: new SecretStore(folder) }
  const { problems, checked } = await checkFile({ file }, { ...dependencies, engine: { surroundings } })
  expect(asked).toEqual(['node@20', 'node@99'])
  expect(checked).toBe(3)
  const hint = 'There: 20.1.0'
  expect(problems).toMatchObject([
    { ...{ code: 'missing-node', file, line: 4, hint }, message: 'new cannot run here: Node 99 was not found' },
  ])
  // Without a platform it is not known.
  expect((await checkFile({ file }, dependencies)).problems).toEqual([])
  const failing = { surroundings: () => Promise.reject(new RyoFaasError('DOCKER_UNREACHABLE', 'no')) }
  await expect(checkFile({ file }, { ...dependencies, engine: failing })).rejects.toMatchObject({ message: 'no' })
})
