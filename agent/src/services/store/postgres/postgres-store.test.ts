import { afterAll, beforeAll } from 'vitest'
import { TestPostgres } from '../../../../test/support/postgres.ts'
import { documentStoreContract, type StoreUnderTest } from '../documents/testing/document-store-contract.ts'
import { openPostgresStore } from './postgres-store.ts'

let postgres: TestPostgres
beforeAll(async () => {
  postgres = await TestPostgres.start()
})
afterAll(() => postgres.remove())

async function make(): Promise<StoreUnderTest> {
  const open = () => openPostgresStore({ database: postgres.url(), dataFolder: '', source: '/ryo-faas/test/store' })
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
      await postgres.sql('DROP SCHEMA ryo_faas CASCADE')
    },
  }
}

documentStoreContract('PostgreSQL', make)
