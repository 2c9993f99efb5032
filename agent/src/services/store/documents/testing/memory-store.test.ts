import { documentStoreContract, type StoreUnderTest } from './document-store-contract.ts'
import { MemoryStoreData, MemoryStore } from './memory-store.ts'

async function make(): Promise<StoreUnderTest> {
  const data = new MemoryStoreData()
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
