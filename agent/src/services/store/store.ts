/**
 * The store in one process: engine, relay, HTTP server.
 *
 * Invariants: 1. one process per data folder. 2. it answers requests without the bus; events wait in the log. 3. `close`
 * finishes what is in flight, may be called more than once, and leaves nothing running.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { acquireProcessLock } from '../../host/index.ts'
import { addBatchRoute } from './api/batch-route.ts'
import { addChangesRoutes } from './api/changes-routes.ts'
import { addDocumentRoutes } from './api/documents-routes.ts'
import { listen } from './api/listening.ts'
import { OperationMetrics } from './api/operation-metrics.ts'
import { addQueryRoute } from './api/query-route.ts'
import { createServer } from './api/server.ts'
import { addTableRoutes } from './api/tables-routes.ts'
import { LmdbStore } from './engine/lmdb-store.ts'
import type { OnStoreEvent } from './events.ts'
import { StoreOptions, type StoreInput } from './options.ts'
import { RelayClient } from './relay/relay-client.ts'
import { storePaths } from './store-paths.ts'

export interface Store {
  readonly port: number
  close(): Promise<void>
}

export interface StoreSurroundings {
  /** Module of the threads; without it this thread writes, and there is no relay. */
  threadEntry?: URL
  onEvent: OnStoreEvent
}

/** @throws ZodError if the options are wrong; an error with code EADDRINUSE or DATA_IN_USE. */
export async function createStore(input: StoreInput, { threadEntry, onEvent }: StoreSurroundings): Promise<Store> {
  const options = StoreOptions.parse(input)
  const paths = storePaths(options.dataFolder)
  await mkdir(options.dataFolder, { recursive: true, mode: 0o700 })
  const closers: (() => Promise<unknown> | void)[] = []
  const close = async () => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer()
  }
  try {
    closers.push(await lock(paths.lock))
    const store = await LmdbStore.open({
      path: paths.data,
      source: `/ryo-faas/${options.project}/store`,
      onFailure: error => onEvent({ type: 'failed', message: error.message }),
      ...(threadEntry !== undefined && { threadEntry }),
    })
    closers.push(() => store.close())
    let relay: RelayClient | undefined
    if (options.nats !== undefined && threadEntry !== undefined) {
      const onState = (state: string, problem?: string) =>
        onEvent({ type: 'relay', state, ...(problem !== undefined && { message: problem }) })
      relay = await RelayClient.start({ store, path: paths.data, entry: threadEntry, nats: options.nats, onState })
      closers.push(() => relay!.close())
    }
    const metrics = new OperationMetrics()
    const app = await createServer({
      options,
      metrics,
      onError: error => onEvent({ type: 'error', message: String(error.stack) }),
    })
    addDocumentRoutes(app, store)
    addQueryRoute(app, store)
    addBatchRoute(app, store)
    addTableRoutes(app, store)
    const changes = addChangesRoutes(app, { store, heartbeatMs: options.heartbeatMs })
    const listening = await listen(app, options)
    closers.push(() => listening.close())
    closers.push(() => changes.close())
    let closing: Promise<void> | undefined
    return { port: listening.port, close: () => (closing ??= close()) }
  } catch (error) {
    await close()
    throw error
  }
}

async function lock(path: string): Promise<() => Promise<void>> {
  const outcome = await acquireProcessLock(path)
  if (outcome.kind === 'acquired') return outcome.release
  const message = `the data in ${join(path, '..')} is in use by process ${outcome.holder.pid}`
  throw Object.assign(new Error(message), { code: 'DATA_IN_USE' })
}
