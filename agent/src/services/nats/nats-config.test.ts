import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { natsPaths, writeNatsConfig } from './nats-config.ts'

test('messages wait for the disk only where that is wanted', async () => {
  const home = await mkdtemp(join(tmpdir(), 'nats-config-'))
  onTestFinished(() => rm(home, { recursive: true }))
  const configOf = async (isSynced: boolean) => {
    await writeNatsConfig(home, { host: '127.0.0.1', port: 0, data: '/data', isSynced })
    return readFile(natsPaths(home).config, 'utf8')
  }
  expect(await configOf(false)).toContain('jetstream { store_dir: "/data" }\n')
  expect(await configOf(true)).toContain('jetstream { store_dir: "/data", sync_interval: always }\n')
})
