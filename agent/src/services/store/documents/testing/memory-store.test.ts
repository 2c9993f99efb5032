import { documentStoreContract, type StoreUnderTest } from './document-store-contract.ts'
import { MemoryData, MemoryStore } from './memory-store.ts'

async function make(): Promise<StoreUnderTest> {
  const data = new MemoryData()
  let store = new MemoryStore(data)
  return {
    get store() {
      return store
    },
    reopen: async () => {
      await store.close()
      store = new MemoryStore(data)
    },
    remove: () => store.close(),
  }
}

documentStoreContract('A store in memory', make)
