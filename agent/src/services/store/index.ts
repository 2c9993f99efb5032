/** The JSON store. `main.ts` is its process. */
export { createStore, type Store } from './store.ts'
export type { OnStoreEvent, StoreEvent } from './events.ts'
export { MainOptions, StoreOptions, type StoreInput } from './options.ts'
export { STORE_ERRORS, StoreError, type StoreErrorCode } from './store-error.ts'
export { restoreBackup } from './registry.ts'
export { storePart, storePartPaths, type StorePartOptions } from './store-part.ts'
