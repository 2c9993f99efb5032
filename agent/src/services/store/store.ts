/**
 * The store in one process: documents, relay, HTTP server.
 *
 * Invariants: 1. it answers requests without the bus; events wait in the log. 2. `close`
 * finishes what is in flight, may be called more than once, and leaves nothing running.
 */
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
import type { DocumentStore, OpenOptions } from './documents/index.ts'
import type { OnStoreEvent } from './events.ts'
import { keepLogShort } from './log-keeper.ts'
import { Tracing } from '@ryo-faas/runtime/telemetry'
import { addTracingMetrics } from '../../observability/tracing/index.ts'
import { StoreOptions, type StoreInput } from './options.ts'
import { openStore } from './registry.ts'
import { RelayClient } from './relay/index.ts'

export interface Store {
  readonly port: number
  close(): Promise<void>
}

export interface StoreSurroundings {
  /** Module of the threads (`thread-main.ts`); without it there are none. */
  threadEntry?: URL
  /** Default: the store that the registry names. */
  open?: (options: OpenOptions) => Promise<DocumentStore>
  onEvent: OnStoreEvent
}

type OnClose = (closer: () => Promise<unknown> | void) => void

/** @throws ZodError if the options are wrong; an error with code EADDRINUSE, DATA_IN_USE or BAD_DATABASE. */
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
  const { threadEntry, open = openStore, onEvent } = surroundings
  const store = await open({
    dataFolder: options.dataFolder,
    ...(options.database !== undefined && { database: options.database }),
    source: `/ryo-faas/${options.project}/store`,
    onFailure: error => onEvent({ type: 'failed', message: error.message }),
    ...(threadEntry !== undefined && { threadEntry }),
  })
  onClose(() => store.close())
  const relay = await startRelay(options, { store, entry: threadEntry, onEvent })
  if (relay !== undefined) onClose(() => relay.close())
  const onError = (error: Error) => onEvent({ type: 'error', message: error.stack ?? error.message })
  const relayed = async () => relay?.sequence ?? (await store.logBounds()).last
  onClose(keepLogShort({ store, retentionMs: options.logRetentionMs, relayed, onError }))

  const operations = new OperationMetrics()
  const tracing = new Tracing({ settings: options.traces, resource: { 'service.name': 'ryo-faas-store' } })
  onClose(() => tracing.close())
  const app = await createServer({ options, metrics: operations, tracing, onError })
  const registry = createRegistry({ operations, store, relay: relay && (() => relay.figures()) })
  addTracingMetrics(registry, tracing)
  const ending = new AbortController()
  addDocumentRoutes(app, store)
  addQueryRoute(app, store)
  addBatchRoute(app, store)
  addTableRoutes(app, store)
  addTransferRoutes(app, { store, options })
  addChangesRoutes(app, { store, heartbeatMs: options.heartbeatMs, ending: ending.signal })
  addAdminRoutes(app, { access: options.access, registry, store, ending: ending.signal })
  const listening = await listen(app, options)
  onClose(() => listening.close())
  onClose(() => ending.abort())
  return listening.port
}

async function startRelay(
  { nats }: StoreOptions,
  { onEvent, ...parts }: { store: DocumentStore; entry: URL | undefined; onEvent: OnStoreEvent },
): Promise<RelayClient | undefined> {
  if (nats === undefined) return undefined
  return RelayClient.start({
    ...parts,
    nats,
    onState: (state, problem) => onEvent({ type: 'relay', state, ...(problem !== undefined && { message: problem }) }),
  })
}
