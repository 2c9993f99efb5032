/**
 * A home written by release 0.1.0 (state format 1), started with today's platform. It has four functions (one with two
 * versions), a call and an event that ran, a document, a secret and the position of a trigger.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestPlatform } from '../support/platform.ts'
import { until } from '../support/until.ts'

const FIXTURE = fileURLToPath(new URL('../fixtures/homes/format-1.tar.gz', import.meta.url))

let platform: TestPlatform

beforeAll(async () => {
  platform = await TestPlatform.make()
  await promisify(execFile)('tar', ['xzf', FIXTURE, '-C', platform.home])
  // Paths in it are absolute.
  const file = join(platform.home, 'state.json')
  const state = (await readFile(file, 'utf8')).replaceAll('/FIXTURE/home', platform.home)
  await writeFile(file, state.replaceAll('/FIXTURE', platform.home))
  await platform.start('process', ['--call-retention-ms', '3000000000000'])
})
afterAll(() => platform.remove())

const json = async (args: string[]): Promise<unknown> => JSON.parse(await platform.ok([...args, '--json']))

test('its functions respond, with their secrets', async () => {
  expect(await platform.ok(['invoke', 'Greet'])).toBe('two')
  expect(await platform.ok(['invoke', 'Secret'])).toBe('s3cret')
  expect(await platform.ok(['invoke', 'Job', '--async', '--wait', '--data', 'again'])).toContain('done again')
})

test('its versions are there, and an earlier one serves again', async () => {
  const { version, versions } = await platform.details('Greet')
  expect([version, versions.map(known => known.version)]).toEqual([2, [1, 2]])
  await platform.ok(['rollback', 'Greet'])
  expect(await platform.ok(['invoke', 'Greet'])).toBe('one')
})

test('its calls are listed with their outcomes', async () => {
  expect(await json(['calls', 'list', '--function', 'Audit'])).toMatchObject({ calls: [{ status: 'succeeded' }] })
})

test('its documents are there, and its trigger resumes where it was', async () => {
  expect(await json(['store', 'get', 'orders', 'first'])).toMatchObject({ version: 1, data: { total: 5 } })
  await platform.ok(['store', 'put', 'orders', 'second', '--data', '{"total":7}'])
  const audited = async (): Promise<string[]> => (await platform.ok(['logs', 'Audit'])).match(/audited .*/g) ?? []
  const lines = await until(async () => {
    const found = await audited()
    return found.includes('audited second 7') ? found : undefined
  })
  expect(lines).toEqual(['audited first 5', 'audited second 7'])
})
