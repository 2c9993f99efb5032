/**
 * The store in one process: engine, relay, HTTP server.
 *
 * Invariants: 1. one process per data folder. 2. it answers requests without the bus; events wait in the log. 3. `close`
 * finishes what is in flight, may be called more than once, and leaves nothing running.
 */
import { mkdir } from 'node:fs/promises'
import type { FastifyInstance } from 'fastify'
import { acquireProcessLock } from '../../host/index.ts'
import { addAdminRoutes } from './api/admin-routes.ts'
import { addBatchRoute } from './api/batch-route.ts'
import { addChangesRoutes } from './api/changes-routes.ts'
import { addDocumentRoutes } from './api/documents-routes.ts'
import { listen } from './api/listening.ts'
import { createRegistry } from './api/metrics.ts'
import { OperationMetrics } from './api/operation-metrics.ts'
import { addQueryRoute } from './api/query-route.ts'
import { createServer } from './api/server.ts'
import { addTableRoutes } from './api/tables-routes.ts'
import { addTransferRoutes } from './api/transfer-routes.ts'
import { makeBackup } from './engine/backup.ts'
import { LmdbStore } from './engine/lmdb-store.ts'
import type { OnStoreEvent } from './events.ts'
import { LogKeeper } from './log-keeper.ts'
import { Tracing } from '@ryo-faas/runtime/telemetry'
import { addTracingMetrics } from '../../observability/tracing/index.ts'
import { StoreOptions, type StoreInput } from './options.ts'
import { RelayClient } from './relay/relay-client.ts'
import { storePaths } from './store-paths.ts'

export interface Store {
  readonly port: number
  close(): Promise<void>
}

export interface StoreSurroundings {
  /** Module of the threads (see `main.ts`); without it this thread writes, and nothing is relayed. */
  threadEntry?: URL
  onEvent: OnStoreEvent
}

type OnClose = (closer: () => Promise<unknown> | void) => void

/** @throws ZodError if the options are wrong; an error with code EADDRINUSE or DATA_IN_USE. */
export async function createStore(input: StoreInput, surroundings: StoreSurroundings): Promise<Store> {
  const options = StoreOptions.parse(input)
  const closers: (() => Promise<unknown> | void)[] = []
  const close = async () => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer()
  }
  try {
    const port = await start(options, surroundings, closer => closers.push(closer))
    let closing: Promise<void> | undefined
    return { port, close: () => (closing ??= close()) }
  } catch (error) {
    await close()
    throw error
  }
}

/** @param onClose what was started is told here; last started, first closed */
async function start(options: StoreOptions, surroundings: StoreSurroundings, onClose: OnClose): Promise<number> {
  const { dataFolder } = options
  const { threadEntry, onEvent } = surroundings
  await mkdir(dataFolder, { recursive: true, mode: 0o700 })
  onClose(await lock(dataFolder))
  const path = storePaths(dataFolder).data
  const store = await LmdbStore.open({
    path,
    source: `/ryo-faas/${options.project}/store`,
    onFailure: error => onEvent({ type: 'failed', message: error.message }),
    ...(threadEntry !== undefined && { threadEntry }),
  })
  onClose(() => store.close())
  const relay = threadEntry && (await startRelay(options, { store, path, entry: threadEntry, onEvent }))
  if (relay !== undefined) onClose(() => relay.close())
  const onError = (error: Error) => onEvent({ type: 'error', message: error.stack ?? error.message })
  const relayed = () => (options.nats === undefined ? store.logBounds().last : (relay?.figures.sequence ?? 0))
  const keeper = new LogKeeper({ store, retentionMs: options.logRetentionMs, relayed, onError })
  onClose(() => keeper.close())

  const operations = new OperationMetrics()
  const tracing = new Tracing({ settings: options.traces, resource: { 'service.name': 'ryo-faas-store' } })
  onClose(() => tracing.close())
  const app = await createServer({ options, metrics: operations, tracing, onError })
  const registry = createRegistry({ operations, store, relay: relay && (() => relay.figures) })
  addTracingMetrics(registry, tracing)
  const routes = addRoutes(app, { options, store, registry })
  const listening = await listen(app, options)
  onClose(() => listening.close())
  onClose(() => routes.end())
  return listening.port
}

interface RouteParts {
  options: StoreOptions
  store: LmdbStore
  registry: ReturnType<typeof createRegistry>
}

function addRoutes(app: FastifyInstance, { options, store, registry }: RouteParts): { end(): void } {
  let isReady = true
  addDocumentRoutes(app, store)
  addQueryRoute(app, store)
  addBatchRoute(app, store)
  addTableRoutes(app, store)
  addTransferRoutes(app, { store, options })
  const changes = addChangesRoutes(app, { store, heartbeatMs: options.heartbeatMs })
  addAdminRoutes(app, {
    access: options.access,
    registry,
    backup: () => makeBackup(store, options.dataFolder),
    isReady: () => isReady,
  })
  return {
    end: () => {
      isReady = false
      changes.close()
    },
  }
}

async function startRelay(
  { nats }: StoreOptions,
  { onEvent, ...parts }: { store: LmdbStore; path: string; entry: URL; onEvent: OnStoreEvent },
): Promise<RelayClient | undefined> {
  if (nats === undefined) return undefined
  return RelayClient.start({
    ...parts,
    nats,
    onState: (state, problem) => onEvent({ type: 'relay', state, ...(problem !== undefined && { message: problem }) }),
  })
}

async function lock(dataFolder: string): Promise<() => Promise<void>> {
  const outcome = await acquireProcessLock(storePaths(dataFolder).lock)
  if (outcome.kind === 'acquired') return outcome.release
  const message = `the data in ${dataFolder} is in use by process ${outcome.holder.pid}`
  throw Object.assign(new Error(message), { code: 'DATA_IN_USE' })
}
