/** What the agent requests from the proxy apart from accepting routes. */
import { z } from 'zod'
import { ControlClient, type ControlClientOptions } from '../../../routes/index.ts'
import { FunctionCounts, ProxyStats } from '../metrics/summary.ts'

/** Also the proxy's path for it. */
export const CONTROL_PATHS = {
  stats: '/stats',
  figures: '/figures',
  demand: '/demand',
  keyUses: '/key-uses',
  successor: '/successor',
} as const

/** A line of `GET /demand`: how much is asked of one function, through all workers of the proxy. */
export const Demand = z.object({
  /** Route. */
  name: z.string(),
  /** Calls at its instances. */
  inflight: z.int(),
  /** Calls that are held until one is free. */
  waiting: z.int(),
  /** Calls that have begun since the last line about this function. */
  calls: z.int(),
})
export type Demand = z.infer<typeof Demand>

/** The process that is to take the place of the proxy. */
export const Successor = z.object({
  command: z.string(),
  args: z.array(z.string()),
  env: z.record(z.string(), z.string()),
  logFile: z.string(),
})

export class ProxyControl extends ControlClient {
  constructor(options: Omit<ControlClientOptions, 'name'>) {
    super({ name: 'proxy', ...options })
  }

  /** @throws ControlError */
  stats(): Promise<ProxyStats> {
    return this.ask(CONTROL_PATHS.stats, ProxyStats)
  }

  /** @throws ControlError */
  figures(): Promise<FunctionCounts[]> {
    return this.ask(CONTROL_PATHS.figures, z.array(FunctionCounts))
  }

  /**
   * First a line for each function with anything in flight or waiting, then one for each that changes, at most every
   * 50 ms; at once when the first call of a function begins to wait. Nothing is told of the time before.
   * @param onOpen from now on nothing is missed
   * @throws ControlError if the proxy cannot be reached, or dies
   */
  demand(signal: AbortSignal, onOpen?: () => void): AsyncIterable<Demand> {
    return this.follow(CONTROL_PATHS.demand, { schema: Demand, signal, onOpen })
  }

  /**
   * The proxy starts its successor, which gets its sockets, and gives its control socket up. It accepts until it is
   * ended: that is for when the successor is ready.
   * @returns pid of the successor
   * @throws ControlError if it cannot, as one of an earlier release or one with workers
   */
  async startSuccessor(successor: z.infer<typeof Successor>): Promise<number> {
    return (await this.post(CONTROL_PATHS.successor, successor, z.object({ pid: z.int().positive() }))).pid
  }

  /**
   * When keys of callers were last used since the proxy started: by id, in milliseconds since 1970.
   * @throws ControlError
   */
  keyUses(): Promise<Record<string, number>> {
    return this.ask(CONTROL_PATHS.keyUses, z.record(z.string(), z.number()))
  }
}
