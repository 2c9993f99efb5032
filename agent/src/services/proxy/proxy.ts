/**
 * The proxy in one process: data plane, control server, routes on disk.
 *
 * Invariants: 1. it serves the last known table before it says where it listens. 2. it needs nobody: agent and parent
 * may go away. 3. `close` may be called more than once.
 */
import { startControlServer } from './control/control-server.ts'
import { startDataPlane } from './http/data-plane.ts'
import { ProxyOptions, type ProxyInput } from './options.ts'
import { RouteTable } from './routing/route-table.ts'
import { addUp, summarize, type ProxyStats } from './metrics/summary.ts'
import { TableKeeper } from './routing/table-keeper.ts'

export interface Proxy {
  readonly address: { host: string; port: number }
  /**
   * Resolves once the table is served and on disk.
   * @throws StaleTableError; ZodError
   */
  setRoutes(table: RouteTable): Promise<void>
  stats(): Promise<ProxyStats>
  /** Stops accepting, lets what is in flight finish within `graceMs`. */
  close(): Promise<void>
}

/** @throws ZodError if the options are wrong; an error with code EADDRINUSE if the port is taken. */
export async function createProxy(input: ProxyInput): Promise<Proxy> {
  const options = ProxyOptions.parse(input)
  const keeper: TableKeeper = new TableKeeper({
    file: options.routesFile,
    serve: table => plane.applyRoutes(table),
  })
  await keeper.load()
  const plane = await startDataPlane(options, { table: keeper.current })
  const setRoutes = async (table: RouteTable) => keeper.set(RouteTable.parse(table))
  const stats = async () => ({
    generation: keeper.current?.generation ?? -1,
    workers: 1,
    functions: summarize([plane.snapshot()]),
  })
  let control: { close(): Promise<void> } | undefined
  try {
    if (options.controlPath !== undefined) {
      control = await startControlServer(options.controlPath, {
        get generation() {
          return keeper.current?.generation ?? -1
        },
        setRoutes,
        stats,
        figures: async () => addUp([plane.snapshot()]),
      })
    }
  } catch (error) {
    await plane.close()
    throw error
  }
  return {
    address: plane.address,
    setRoutes,
    stats,
    close: async () => {
      await Promise.all([control?.close(), plane.close()])
    },
  }
}
