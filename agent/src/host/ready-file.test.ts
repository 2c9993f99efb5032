import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { announceReady, readyAddress } from './ready-file.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ryo-faas-ready-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

it.each([
  ['127.0.0.1', '127.0.0.1:4711'],
  ['0.0.0.0', '127.0.0.1:4711'],
  ['::', '127.0.0.1:4711'],
  ['::1', '[::1]:4711'],
  ['example.test', 'example.test:4711'],
])('who listens at %s is reached at %s', async (host, address) => {
  const path = join(folder, 'ready')
  await announceReady(path, { port: 4711 })
  expect(await readyAddress(path, host)).toBe(address)
})

it('without the file no one is ready yet', async () => {
  await announceReady(undefined, { port: 4711 })
  expect(await readyAddress(join(folder, 'none'), '127.0.0.1')).toBeUndefined()
})
