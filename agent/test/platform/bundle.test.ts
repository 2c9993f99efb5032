/** The shipped webpack bundle does the main job too. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BUNDLED_CLI, EXAMPLES, TestPlatform } from '../support/platform.ts'

let platform: TestPlatform
beforeAll(async () => {
  const webpack = fileURLToPath(new URL('../../../node_modules/webpack/bin/webpack.js', import.meta.url))
  await promisify(execFile)(process.execPath, [webpack], { cwd: fileURLToPath(new URL('../../..', import.meta.url)) })
  platform = await TestPlatform.make({}, BUNDLED_CLI)
})
afterAll(() => platform.remove())

test('the bundled agent starts, checks, deploys and serves, and comes back when killed', async () => {
  const { proxyUrl, parts } = await platform.start('process')
  await platform.ok(['deploy', EXAMPLES])
  const hello = async () => (await fetch(`${proxyUrl}/functions/helloworld`)).text()
  expect(await hello()).toBe('Hello, World!\n')
  expect(await platform.ok(['invoke', 'HelloWorld'])).toBe('Hello, World!\n')
  process.kill(parts[0]!.pid!, 'SIGKILL')
  expect(await hello()).toBe('Hello, World!\n')
  expect(await platform.ok(['stopFaas'])).toMatch(/agent/)
  expect(await platform.ok(['stopFaas', '--prune', '--yes'])).toMatch(/data were removed/)
})
