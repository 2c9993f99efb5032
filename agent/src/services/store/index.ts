/** The JSON store. `main.ts` is its process. */
export { createStore } from './store.ts'
export { StoreError } from '@ryo-faas/runtime/documents'
export { MainOptions } from './options.ts'
export { restoreBackup } from './registry.ts'
