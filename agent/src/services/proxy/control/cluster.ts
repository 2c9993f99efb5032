/**
 * The proxy in several processes: the primary holds control server and routes, each worker a data plane on the same
 * address (node:cluster).
 *
 * Invariants: 1. A push is acknowledged once every live worker serves it; a newer worker asks for the
 * table before it listens. 2. A worker that dies is replaced, with a pause that doubles if it dies young. 3. A worker
 * whose primary died exits: it could get no routes. 4. Metrics and stats are sums over the workers.
 * A function's `concurrency` holds per worker; the instance's own limit is the one that is exact.
 */
import cluster, { type Worker } from 'node:cluster'
import net, { type AddressInfo } from 'node:net'
import { AggregatorRegistry } from 'prom-client'
import { patched, RouteKeeper, RoutePatch, RouteTable, startControlServer } from '../../../routes/index.ts'
import { DemandSum } from '../demand/demand-sum.ts'
import { startDataPlane, type DataPlane } from '../http/data-plane.ts'
import type { FunctionSnapshot } from '../metrics/function-metrics.ts'
import { RateLimits, SharedRates, type RateRequest } from '../access/rate-limits.ts'
import { Peer, type Channel } from './ipc.ts'
import type { DataPlaneOptions, ProxyOptions } from '../options.ts'
import type { Proxy } from '../proxy.ts'
import { CONTROL_PATHS, type Demand } from './proxy-control.ts'
import { addUp, summarize } from '../metrics/summary.ts'
import { Membership, savedSettings } from '../shared/membership.ts'
import type { SharedSettings } from '../shared/shared-messages.ts'
import { latestUses } from '../shared/sums.ts'

const YOUNG_MS = 5_000
const MAX_PAUSE_MS = 5_000

export async function createClusterProxy(workers: number, options: ProxyOptions): Promise<Proxy> {
  const { shared } = options
  /** What workers are told when they start, besides the table. */
  const common: Common = {
    settings: shared?.isFollowing ? await savedSettings(options.routesFile) : undefined,
    sharers: 1,
    isBehind: shared?.isFollowing === true,
  }
  const alive = new Set<Worker>()
  /** Workers that have asked for the table: what is sent to a worker before it listens to its channel is lost. */
  const started = new Set<Peer>()
  const askAll = async <T>(type: string, value?: unknown): Promise<T[]> => {
    const answers = await Promise.allSettled([...started].map(peer => peer.ask<T>(type, value)))
    // A dead worker is ignored; its successor starts from the current table.
    return answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
  }
  const keeper = new RouteKeeper({
    file: options.routesFile,
    serve: async (table, patch) =>
      void (await (patch === undefined ? askAll('routes', table) : askAll('route', patch))),
  })
  const demand = new DemandSum()
  /** Of all workers. */
  const rates = new RateLimits()
  let isClosing = false
  let pauseMs = 0
  // Chosen here, because a free port that node:cluster picks is lost once the last worker that holds it dies.
  const port = options.port === 0 ? await freePort(options.host) : options.port

  const startWorker = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = cluster.fork()
      const bornAt = performance.now()
      const peer: Peer = new Peer(worker, {
        start: () => {
          started.add(peer)
          return { port, table: keeper.current, common }
        },
        table: () => keeper.current,
        demand: (lines: Demand[]) => demand.take(peer, lines),
        listening: () => resolve(),
        failed: (error: { message: string; code?: string }) =>
          reject(Object.assign(new Error(error.message), { code: error.code })),
        rates: (requests: RateRequest[]) => requests.map(request => rates.takeSome(request)),
        scrape: async () => AggregatorRegistry.aggregate(await askAll<object[]>('metrics')).metrics(),
      })
      alive.add(worker)
      worker.once('exit', (code, signal) => {
        alive.delete(worker)
        started.delete(peer)
        demand.gone(peer)
        reject(new Error(`a worker exited with ${signal ?? code}`))
        if (isClosing) return
        pauseMs = performance.now() - bornAt < YOUNG_MS ? Math.min(MAX_PAUSE_MS, pauseMs * 2 + 50) : 0
        setTimeout(() => {
          // A successor that fails to start exits too, which brings the next try.
          if (!isClosing) startWorker().catch(() => undefined)
        }, pauseMs)
      })
    })

  const closeWorkers = async (): Promise<void> => {
    isClosing = true
    await Promise.all(
      [...alive].map(worker => {
        const gone = new Promise(done => worker.once('exit', done))
        worker.kill('SIGTERM')
        return gone
      }),
    )
  }

  const stats = async () => ({
    generation: keeper.generation,
    workers: started.size,
    functions: summarize(await askAll<FunctionSnapshot[]>('snapshot')),
  })
  const figures = async () => addUp(await askAll<FunctionSnapshot[]>('snapshot'))
  const keyUses = async () => latestUses(await askAll<Record<string, number>>('keyUses'))
  let control: { close(): Promise<void> } | undefined
  try {
    await keeper.load()
    await startWorker()
    await Promise.all(Array.from({ length: workers - 1 }, startWorker))
    if (options.controlPath !== undefined) {
      control = await startControlServer(options.controlPath, {
        reader: keeper,
        streams: { [CONTROL_PATHS.demand]: write => demand.follow(write) },
        tells: {
          [CONTROL_PATHS.stats]: stats,
          [CONTROL_PATHS.figures]: figures,
          [CONTROL_PATHS.keyUses]: keyUses,
        },
      })
    }
  } catch (error) {
    await closeWorkers()
    throw error
  }
  const membership =
    shared &&
    new Membership(
      { ...options, shared },
      {
        address: shared.address ?? `${options.host}:${port}`,
        reader: keeper,
        followDemand: sink => demand.follow(sink),
        answers: { stats, figures, keyUses },
        useSettings: settings => {
          common.settings = settings
          void askAll('common', common)
        },
        shareAmong: count => {
          common.sharers = count
          rates.shareAmong(count)
          void askAll('common', common)
        },
        setBehind: isBehind => {
          common.isBehind = isBehind
          void askAll('common', common)
        },
      },
    )
  return {
    address: { host: options.host, port },
    setRoutes: async table => keeper.setRoutes(RouteTable.parse(table)),
    setRoute: async patch => keeper.setRoute(RoutePatch.parse(patch)),
    stats,
    close: async () => {
      await Promise.all([closeWorkers(), membership?.close()])
      demand.close()
      await control?.close()
      await keeper.close()
    },
  }
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer().once('error', reject)
    server.listen(0, host, () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** What is the same in all workers. */
interface Common {
  settings: SharedSettings | undefined
  /** Proxies that share limits. */
  sharers: number
  /** See `DataPlaneStart`. */
  isBehind: boolean
}

/** Whether this process is one that the primary has started. */
export function isWorker(): boolean {
  return cluster.isWorker
}

/** The life of a worker process. */
export async function runWorker(options: DataPlaneOptions): Promise<void> {
  let plane: DataPlane | undefined
  let table: RouteTable | undefined
  const apply = async (next: RouteTable): Promise<void> => {
    if (table !== undefined && next.generation < table.generation) return
    table = next
    await plane?.applyRoutes(next)
  }
  const stop = () => {
    const closed = plane === undefined ? Promise.resolve() : plane.close()
    void closed.finally(() => process.exit(0))
  }
  const applyOne = async (patch: RoutePatch): Promise<void> => {
    // It came before what it changes: this process has only just started.
    if (table?.generation !== patch.base) return apply(await primary.ask<RouteTable>('table'))
    table = patched(table, patch)
    await plane?.applyRoutes(table, patch)
  }
  let common: Common | undefined
  const useCommon = (next: Common): void => {
    common = next
    if (next.settings !== undefined) plane?.useSettings(next.settings)
    plane?.shareAmong(next.sharers)
    plane?.setBehind(next.isBehind)
  }
  process.once('SIGTERM', stop)
  // The primary decides when to stop; a terminal sends its signal to everyone.
  process.on('SIGINT', () => {})
  process.once('disconnect', stop)
  const primary = new Peer(process as unknown as Channel, {
    routes: apply,
    route: applyOne,
    common: useCommon,
    snapshot: () => plane?.snapshot() ?? [],
    keyUses: () => plane?.keyUses() ?? {},
    metrics: async () => (await plane?.metricsJson()) ?? [],
  })
  try {
    const start = await primary.ask<{ port: number; table?: RouteTable; common: Common }>('start')
    useCommon(start.common)
    if (start.table !== undefined) await apply(start.table)
    plane = await startDataPlane(
      { ...options, port: start.port },
      {
        ...{ table, isBehind: true },
        scrape: () => primary.ask('scrape'),
        rates: new SharedRates(requests => primary.ask('rates', requests)),
      },
    )
    // One may have come while this process was about to listen.
    if (table !== undefined) void plane.applyRoutes(table)
    useCommon(common ?? start.common)
    plane.followDemand(lines => void primary.ask('demand', lines).catch(() => undefined))
    await primary.ask('listening')
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    await primary.ask('failed', { message, code })
    process.exit(1)
  }
}
