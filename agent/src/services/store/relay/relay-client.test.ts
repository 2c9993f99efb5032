import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { StoreError } from '@ryo-faas/runtime/documents'
import { ensureStreams } from '../../../bus/index.ts'
import { startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import type { DocumentStore } from '../documents/index.ts'
import { MemoryStore } from '../documents/testing/memory-store.ts'
import { openStore } from '../registry.ts'
import { until } from '../store-testing.ts'
import { RelayClient } from './relay-client.ts'

let nats: TestNats
let folder: string
let store: DocumentStore

beforeEach(async () => {
  nats = await startNats()
  await ensureStreams(await nats.connect())
  folder = await mkdtemp(join(tmpdir(), 'relay-client-'))
  store = await openStore({ dataFolder: folder, source: '/ryo-faas/test/store' })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await store.close()
  await nats.stop()
  await rm(folder, { recursive: true, force: true })
})

const start = async () => {
  const { url, user, password } = nats
  const entry = new URL('../thread-main.ts', import.meta.url)
  return RelayClient.start({ store, entry, nats: { url, user, password }, onState: () => undefined })
}

const isRelayed = (relay: RelayClient) => async () => (await relay.figures()).lagEvents === 0

// A rejection that nobody handles fails the run.
it('keeps its place when the store is too busy to keep it', async () => {
  await store.epoch() // Is kept, too.
  const busy = new StoreError('BUSY', 'too many writes are waiting')
  const saving = vi.spyOn(store, 'saveCheckpoint').mockRejectedValue(busy)
  const relay = await start()
  saving.mockClear()
  await store.write([{ kind: 'put', table: 't', id: 'a', data: '1' }])
  await until(isRelayed(relay), 'the event is relayed')
  await until(() => saving.mock.calls.length > 1, 'its place was to be kept more than once')
  saving.mockRestore()
  await relay.close()
  expect(await store.checkpoint('relay')).toMatchObject({ sequence: 1 })
})

it('works in the thread of a store whose log cannot be read in another', async () => {
  await store.close()
  store = new MemoryStore()
  const relay = await start()
  await store.write([{ kind: 'put', table: 't', id: 'a', data: '1' }])
  await until(isRelayed(relay), 'the event is relayed')
  expect(await relay.figures()).toEqual({ state: 'running', sequence: 1, lagEvents: 0, lagSeconds: 0 })
  await relay.close()
  expect(await store.checkpoint('relay')).toMatchObject({ sequence: 1 })
})

it('wakes for what is written after it had nothing to do', async () => {
  const relay = await start()
  for (let n = 1; n <= 5; n += 1) {
    await store.write([{ kind: 'put', table: 't', id: 'a', data: '1' }])
    await until(() => relay.sequence === n, `event ${n} is relayed`)
  }
  await relay.close()
})
