import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RyoFaasError } from '../contract/index.ts'
import { Languages, type CheckOutcome, type Language } from '../languages/index.ts'
import { SHELL } from '../languages/testing/shell-language.ts'
import { SecretStore } from '../secrets/index.ts'
import { checkFile, checkPlanned } from './check.ts'
import { plan } from './plan.ts'

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

test.each<[string, 'alone' | 'too' | undefined, string, string[]]>([
  ['scheduled alone, without a schedule', 'alone', '', ['no-schedule']],
  ['scheduled alone, with one', 'alone', '[{ "cron": "0 * * * *" }]', []],
  ['scheduled alone, with a request', 'alone', '[{ "cron": "0 * * * *", "body": 1 }]', ['wrong-value']],
  ['both, with a request', 'too', '[{ "cron": "0 * * * *", "path": "/a" }]', []],
  ['both, without a schedule', 'too', '', []],
  ['a function that takes calls', undefined, '[{ "cron": "0 * * * *" }]', []],
])('a Worker with %s', async (_what, scheduled, schedule, codes) => {
  const file = join(folder, 'deploy.json')
  await writeFile(join(folder, 'a.sh'), '')
  const more = schedule === '' ? '' : `, "schedule": ${schedule}`
  await writeFile(file, `{ "deploy": [{ "name": "w", "packageDir": ".", "filePath": "./a.sh"${more} }] }`)
  const worker: Language = {
    ...SHELL,
    fields: [],
    check: async sources =>
      sources.map((): CheckOutcome => {
        const bundle = () => Promise.reject(new Error('nothing is bundled'))
        return { kind: 'accepted', bundle, ...(scheduled && { scheduled }) }
      }),
  }
  const languages = new Languages([worker])
  const { accepted, problems } = await checkPlanned(await plan({ file }, languages), file, { languages })
  expect(problems.map(({ code, hint }) => [code, hint !== undefined])).toEqual(codes.map(code => [code, true]))
  const isForgotten = scheduled === 'too' && schedule === ''
  expect(accepted[0]!.notes.join()).toEqual(isForgotten ? expect.stringContaining('is never called') : '')
})
