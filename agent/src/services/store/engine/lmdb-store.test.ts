import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LmdbStore } from './lmdb-store.ts'
import { documentStoreContract, type StoreUnderTest } from './testing/document-store-contract.ts'

async function make(): Promise<StoreUnderTest> {
  const path = await mkdtemp(join(tmpdir(), 'store-'))
  const open = () => LmdbStore.open({ path, source: '/ryo-faas/test/store' })
  let store = await open()
  return {
    get store() {
      return store
    },
    reopen: async () => {
      await store.close()
      store = await open()
    },
    remove: async () => {
      await store.close()
      await rm(path, { recursive: true, force: true })
    },
  }
}

documentStoreContract('LMDB', make)
