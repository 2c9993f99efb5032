/**
 * Entry of the store process and of its threads; each loads only its own. One argument: the path of a JSON file that
 * holds `MainOptions`.
 *
 * Exit codes: 0 after SIGTERM or SIGINT; 78 if the options are wrong; 98 if an address is in use; 75 if another process
 * has the data; 70 otherwise. What happens is one JSON line each on stderr.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import type { StoreThread } from './documents/index.ts'
import type { RelayThread } from './relay/relay-thread.ts'

async function runThread(data: StoreThread | RelayThread): Promise<void> {
  const { openLog, runStoreThread } = await import('./registry.ts')
  switch (data.role) {
    case 'store':
      return runStoreThread(parentPort!, data)
    case 'relay': {
      const { runRelayThread } = await import('./relay/relay-thread.ts')
      return runRelayThread(parentPort!, data, openLog)
    }
  }
}

if (!isMainThread) await runThread(workerData as StoreThread | RelayThread)
else {
  const { runStoreProcess } = await import('./store-process.ts')
  await runStoreProcess(process.argv[2], new URL(import.meta.url))
}
