/** Entry of the store's threads: each loads what its role needs, which is a fifth of what the process has. */
import { parentPort, workerData } from 'node:worker_threads'
import type { StoreThread } from './documents/index.ts'
import { openLog, runStoreThread } from './registry.ts'
import type { RelayThread } from './relay/relay-thread.ts'

const data = workerData as StoreThread | RelayThread
switch (data.role) {
  case 'store':
    runStoreThread(parentPort!, data)
    break
  case 'relay': {
    const { runRelayThread } = await import('./relay/relay-thread.ts')
    runRelayThread(parentPort!, data, openLog)
    break
  }
}
