/**
 * The proxy in one process: data plane, control server, routes on disk.
 *
 * Invariants: 1. It serves the last known table before it reports where it listens. 2. It is self-sufficient: agent and
 * parent may die. 3. `close` may be called more than once.
 */
import {
  RouteKeeper,
  RoutePatch,
  RouteTable,
  startControlServer,
  type RoutePatchInput,
  type RouteTableInput,
  type Served,
} from '../../routes/index.ts'
import { begin, spawnSuccessor } from '../../host/index.ts'
import { CONTROL_PATHS, Successor } from './control/proxy-control.ts'
import type { Rules } from './access/gate.ts'
import { startDataPlane } from './http/data-plane.ts'
import { ProxyOptions, type ProxyInput } from './options.ts'
import { addUp, summarize, type ProxyStats } from './metrics/summary.ts'
import { Membership, savedSettings } from './shared/membership.ts'

export interface Proxy {
  readonly address: { host: string; port: number }
  /** Where it serves HTTPS; in several processes it is as the options say. */
  readonly front?: { host: string; port: number } | undefined
  /**
   * Resolves once the table is served and on disk.
   * @throws StaleTableError; ZodError
   */
  setRoutes(table: RouteTableInput): Promise<void>
  /** @throws StaleTableError; ZodError */
  setRoute(patch: RoutePatchInput): Promise<Served>
  stats(): Promise<ProxyStats>
  /** Stops accepting, lets what is in flight finish within `graceMs`. */
  close(): Promise<void>
}

/** Where there is a successor: a client whose connection is idle has time to send, and to be told that it ends. */
const IDLE_MS = 1_000

/**
 * @param parts `rules` of access in addition to the proxy's own
 * @throws ZodError if the options are wrong; an error with code EADDRINUSE if the port is taken.
 */
export async function createProxy(input: ProxyInput, { rules }: { rules?: Rules } = {}): Promise<Proxy> {
  const given = ProxyOptions.parse(input)
  const options = given.shared?.isFollowing ? { ...given, ...(await savedSettings(given.routesFile)) } : given
  const keeper: RouteKeeper = new RouteKeeper({
    file: options.routesFile,
    serve: (table, patch) => plane.applyRoutes(table, patch),
  })
  await keeper.load()
  const plane = await startDataPlane(options, {
    ...{ table: keeper.current, rules },
    isBehind: options.shared?.isFollowing,
  })
  const stats = async () => ({
    generation: keeper.generation,
    workers: 1,
    functions: summarize([plane.snapshot()]),
  })
  const figures = async () => addUp([plane.snapshot()])
  const keyUses = async () => plane.keyUses()
  let hasSuccessor = false
  let control: { close(): Promise<void> } | undefined
  try {
    if (options.controlPath !== undefined) {
      control = await startControlServer(options.controlPath, {
        reader: keeper,
        streams: { [CONTROL_PATHS.demand]: write => plane.followDemand(write) },
        tells: {
          [CONTROL_PATHS.stats]: stats,
          [CONTROL_PATHS.figures]: figures,
          [CONTROL_PATHS.keyUses]: keyUses,
        },
        takes: {
          [CONTROL_PATHS.successor]: async asked => {
            const successor = await spawnSuccessor(Successor.parse(asked), plane.listeners())
            hasSuccessor = true
            // It listens where we do.
            const afterwards = () => void control?.close().then(() => begin(successor))
            return { body: { pid: successor.identity.pid }, afterwards }
          },
        },
      })
    }
  } catch (error) {
    await plane.close()
    throw error
  }
  const membership =
    options.shared &&
    new Membership(
      { ...options, shared: options.shared },
      {
        address: options.shared.address ?? `${plane.address.host}:${plane.address.port}`,
        reader: keeper,
        followDemand: sink => plane.followDemand(sink),
        answers: { stats, figures, keyUses },
        useSettings: settings => plane.useSettings(settings),
        shareAmong: count => plane.shareAmong(count),
        setBehind: isBehind => plane.setBehind(isBehind),
      },
    )
  return {
    address: plane.address,
    front: plane.front,
    setRoutes: async table => keeper.setRoutes(RouteTable.parse(table)),
    setRoute: async patch => keeper.setRoute(RoutePatch.parse(patch)),
    stats,
    close: async () => {
      await Promise.all([plane.close(hasSuccessor ? IDLE_MS : 0), membership?.close()])
      // Until then instances are still woken for calls that are held.
      await control?.close()
      await keeper.close()
    },
  }
}
