import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { documentStoreContract, type StoreUnderTest } from '../documents/testing/document-store-contract.ts'
import { openLmdbStore } from './lmdb-store.ts'

async function make(): Promise<StoreUnderTest> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'store-'))
  const open = () => openLmdbStore({ dataFolder, source: '/ryo-faas/test/store' })
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
      await rm(dataFolder, { recursive: true, force: true })
    },
  }
}

documentStoreContract('LMDB', make)
