/** One running instance, as all of its parts see it; what is optional is there for tests. */
import { logError } from '../log-error.ts'
import type { FunctionLog } from '../context.ts'
import type { InstanceOptions } from '../options.ts'
import { monotonicNow, type Tracing } from '../telemetry/index.ts'
import type { Patience } from './drain.ts'

export interface Instance {
  readonly options: InstanceOptions
  readonly tracing: Tracing
  readonly clock?: Clock
  readonly outlet?: Outlet
  /** Sends requests to other functions and to the store; default: over the network. */
  readonly send?: typeof fetch
  readonly patience?: Patience
  /** Nothing else runs in this process, whose memory may be settled. */
  readonly ownsProcess?: boolean
}

/** The time of deadlines. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /** @returns what cancels it */
  after(ms: number, run: () => void): () => void
}

/** Where logs and errors go. */
export interface Outlet {
  /** @param ids of the invocation, shown in brackets before each message */
  log(level: keyof FunctionLog, ids: string, message: string): void
  /** @param requestId of the invocation that failed */
  error(message: string, error: unknown, requestId: string): void
}

export const systemClock: Clock = {
  now: monotonicNow,
  after: (ms, run) => {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

export const consoleOutlet: Outlet = {
  log: (level, ids, message) => console[level](`${level.toUpperCase().padEnd(5)} [${ids}] ${message}`),
  error: logError,
}
