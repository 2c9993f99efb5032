import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { ensureStreams } from '../../../bus/index.ts'
import { startNats, type TestNats } from '../../../bus/testing/nats-server.ts'
import { LmdbStore } from '../engine/lmdb-store.ts'
import { STATE } from '../engine/index.ts'
import { StoreError } from '../store-error.ts'
import { until } from '../store-testing.ts'
import { RelayClient } from './relay-client.ts'
import type { RelayPosition } from './relay.ts'

let nats: TestNats
let folder: string
let store: LmdbStore

beforeEach(async () => {
  nats = await startNats()
  await ensureStreams(await nats.connect())
  folder = await mkdtemp(join(tmpdir(), 'relay-client-'))
  store = await LmdbStore.open({ path: folder, source: '/ryo-faas/test/store' })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await store.close()
  await nats.stop()
  await rm(folder, { recursive: true, force: true })
})

// A rejection that nobody handles fails the run.
it('keeps its place when the store is too busy to keep it', async () => {
  await store.epoch() // Is kept, too.
  const busy = new StoreError('BUSY', 'more writes wait than the store holds')
  const saving = vi.spyOn(store, 'saveState').mockRejectedValue(busy)
  const { url, user, password } = nats
  const entry = new URL('../main.ts', import.meta.url)
  const relay = await RelayClient.start({
    store,
    path: folder,
    entry,
    nats: { url, user, password },
    onState: () => undefined,
  })
  saving.mockClear()
  await store.write([{ kind: 'put', table: 't', id: 'a', data: '1' }])
  await until(() => relay.figures.lagEvents === 0, 'the event is relayed')
  await until(() => saving.mock.calls.length > 1, 'its place was to be kept more than once')
  saving.mockRestore()
  await relay.close()
  expect(store.readState<RelayPosition>(STATE.relay)).toMatchObject({ sequence: 1 })
})
