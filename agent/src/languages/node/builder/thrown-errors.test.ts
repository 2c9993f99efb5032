/**
 * How errors appear from a deployed bundle. It contains a CommonJS package, whose module precedes the
 * runtime, so the source map starts differently than in a bundle of ES modules.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import type { BundleRequest } from './build.ts'
import { Builder } from './builder.ts'
import {
  DELIVERED,
  requestFor,
  runFunction,
  temporaryFolder,
  type RunningFunction,
} from './testing/bundled-function.ts'

const MODULE = `import word from 'legacy'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Service } from '@ryo-faas/runtime'

function boom(): never { throw new Error('boom ' + word()) }
async function late(): Promise<never> { await 1; throw new Error('late boom ' + word()) }

export const web = (): Response => boom()
export const webLate = (): Promise<Response> => late()
export const node = (_: IncomingMessage, __: ServerResponse): void => boom()
export const nodeLate = (_: IncomingMessage, __: ServerResponse): Promise<void> => late()
export const nodeStray = (_: IncomingMessage, __: ServerResponse): void => void setTimeout(boom, 1)
export const trigger = (): void => boom()
export const main = (service: Service) => void service.http('/', boom)
export const readsStack = (): Response => {
  try { boom() } catch (error) { return new Response((error as Error).stack) }
}
`

const folder = temporaryFolder({
  'hello.ts': MODULE,
  'node_modules/legacy/package.json': `{ "name": "legacy", "main": "index.js" }`,
  'node_modules/legacy/index.js': `module.exports = function word() { return 'legacy' }`,
})
const runtimeDir = fileURLToPath(new URL('../../../../../runtime/src', import.meta.url))
// Outside the package: whatever is in it is part of the next version.
const made = temporaryFolder()
const builder = new Builder({ runtimeDir, cacheDir: made.path('cache'), environment: process.env })
afterAll(async () => {
  await builder.close()
  folder.remove()
  made.remove()
})

async function started(exportName: string, style: BundleRequest['style']): Promise<RunningFunction> {
  const request = requestFor(folder.dir, { name: exportName, exportName, style })
  const bundle = await builder.bundle(request, new AbortController().signal)
  const { dir, entry } = await bundle.write(made.path(exportName))
  return runFunction(join(dir, entry))
}

const EVENT = JSON.stringify({
  ...{ specversion: '1.0', time: '2026-01-01T00:00:00Z', sequence: '1' },
  data: { kind: 'new-doc', table: 't', id: 'a', version: 1 },
})

test.each([
  ['web', 'web', 5],
  ['webLate', 'web', 6],
  ['node', 'node', 5],
  ['nodeLate', 'node', 6],
  ['nodeStray', 'node', 5],
  ['trigger', 'trigger', 5],
  ['main', 'service', 5],
] as const)('with a CommonJS package, an error of %s is answered, and its log has the line', async (...row) => {
  const [exportName, style, line] = row
  await using running = await started(exportName, style)
  const path = style === 'trigger' ? '/.ryo-faas/events/on' : '/'
  const response = await fetch(
    running.url + path,
    style === 'trigger' ? { method: 'POST', body: EVENT, headers: DELIVERED } : {},
  )
  expect(response.status).toBe(500)
  expect(await response.json()).toMatchObject({ error: { code: 'FUNCTION_ERROR' } })
  await expect.poll(() => running.errors()).toMatch(new RegExp(`boom legacy[^]*hello\\.ts:${line}:`))
  expect(running.errors()).not.toContain('paths[')
})

test('with a CommonJS package, code that reads the stack of an error gets its own error, with its line', async () => {
  await using running = await started('readsStack', 'web')
  expect(await running.get()).toMatch(/^Error: boom legacy\n {4}at boom \(.*hello\.ts:5:/)
})
