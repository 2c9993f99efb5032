/**
 * A route: what proxies and dispatchers need to know about a deployment. The agent publishes all of them as one table,
 * which is only data and replaced as a whole.
 *
 * Invariants: 1. A table with a lower generation never replaces one with a higher. 2. Route names are lower case and
 * unique. 3. An instance is the same only while id, host and port are. 4. A field may be added, and is
 * then optional: parts of another build read the table, and one on disk may be older than its reader.
 */
import { NAME_PATTERN } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { CallerKey } from '../access/index.ts'
import { AsyncPolicy, Cors, HttpMethod, RateLimit, TriggerStart } from '../contract/index.ts'

export const RouteInstance = z.object({
  id: z.string().min(1).max(200),
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
  /** Present: it is suspended, and no call is sent to it until the agent has woken it. */
  isFrozen: z.literal(true).optional(),
})
export type RouteInstance = z.infer<typeof RouteInstance>

/** Invariant 3. */
export function keyOfInstance({ id, host, port }: Pick<RouteInstance, 'id' | 'host' | 'port'>): string {
  return JSON.stringify([id, host, port])
}

/** Common to triggers of any kind; other fields are for its source. */
export const RouteTrigger = z.looseObject({
  /** Names the handler within its function. */
  key: z.string().regex(/^[A-Za-z0-9_-]{1,63}$/),
  kind: z
    .string()
    .regex(/^[a-z-]{1,63}$/)
    .default('document'),
  start: TriggerStart,
})
export type RouteTrigger = z.infer<typeof RouteTrigger>

/** The rule on who may call it; other fields depend on its kind. */
export const Access = z.looseObject({ kind: z.string().min(1) })
export type Access = z.infer<typeof Access>

export const Route = z.object({
  /** Lower case, as in URLs and subjects. */
  name: z
    .string()
    .regex(NAME_PATTERN)
    .refine(name => name === name.toLowerCase(), 'must be lower case'),
  /** The name as the user wrote it; the value of `faas_name` in metrics. */
  displayName: z.string().min(1).max(200),
  version: z.int().min(0),
  /** Longest duration of one invocation, including the response, in milliseconds. */
  timeoutMs: z.int().min(1).max(2_147_483_647),
  /** Maximum number of concurrent invocations in each instance; 0 means no limit. */
  concurrency: z.int().min(0),
  /** Largest request body; absent: no limit. */
  bodyLimitBytes: z.int().min(0).optional(),
  instances: z.array(RouteInstance),
  /**
   * Present: instances are started and woken on demand, up to `max`. As long as fewer run, calls that find none free
   * wait for the next one.
   */
  scale: z.object({ max: z.int().min(1) }).optional(),
  /** Why no instance could be started or woken: calls that wait now are refused with it, the next one asks again. */
  unavailable: z.string().min(1).optional(),
  /** Its instances are servers that do not identify themselves: whatever answers at their address is trusted. */
  isAnonymous: z.boolean().optional(),
  /** Its instances answer only connections that show the key of the instance. */
  isGuarded: z.boolean().optional(),
  /** Absent: as the proxy has it, which is open to all callers unless it listens beyond loopback. */
  access: Access.optional(),
  cors: Cors.optional(),
  /** Of each caller. Absent: no limit. */
  rate: RateLimit.optional(),
  /** Host names at which `pattern` holds; absent: all others. */
  domains: z.array(z.string().min(1)).min(1).optional(),
  /** Present: calls are asynchronous, whether or not they request it. */
  async: AsyncPolicy.optional(),
  /** Path at which it is reached besides `/functions/<name>`, see `UrlRoute`. */
  pattern: z.string().startsWith('/').max(500).optional(),
  /** Absent: any. */
  methods: z.array(HttpMethod).min(1).optional(),
  /** For a service: which of its paths are asynchronous. Absent: all or none, as `async` says. */
  paths: z.object({ http: z.array(z.string()), async: z.array(z.string()) }).optional(),
  /** How the dispatcher runs its queued calls, and the events of each of its triggers. */
  policy: AsyncPolicy.prefault({}),
  triggers: z.array(RouteTrigger).default([]),
})
export type Route = z.infer<typeof Route>
export type RouteInput = z.input<typeof Route>

/** A clock of tests, which the schedules of a platform follow. */
export const TableClock = z.object({
  /** Names the clock: each that is begun has another. */
  id: z.int(),
  /** Greater than that of all earlier settings of this clock. */
  serial: z.int().min(0),
  kind: z.enum(['running', 'still']),
  /** Milliseconds since 1970 for one that stands still; for one that runs, how far ahead it is. */
  ms: z.int(),
  /** Times up to there come one by one. If not: as after a machine slept. */
  passes: z.boolean(),
})
export type TableClock = z.infer<typeof TableClock>

export const RouteTable = z.object({
  /** Increases with every change the agent makes. */
  generation: z.int().min(0),
  routes: z
    .array(Route)
    .refine(routes => new Set(routes.map(route => route.name)).size === routes.length, 'route names must be unique'),
  /** Callers may show them; only proxies get them. */
  keys: z.array(CallerKey).optional(),
  /** With which tokens of callers are signed, by name; only proxies get them. */
  secrets: z.record(z.string(), z.string()).optional(),
  /** Absent: schedules follow the clock of this machine. */
  clock: TableClock.optional(),
  /** With which triggers connect to servers of the user's, by name; only dispatchers get them. */
  triggerSecrets: z.record(z.string(), z.string()).optional(),
})
export type RouteTable = z.infer<typeof RouteTable>
export type RouteTableInput = z.input<typeof RouteTable>

/** Replaces one route, or adds it, in the table of generation `base`; what comes out is the table of `generation`. */
export const RoutePatch = z
  .object({ base: z.int().min(0), generation: z.int().min(0), route: Route })
  .refine(({ base, generation }) => generation > base, 'generation must be greater than base')
export type RoutePatch = z.infer<typeof RoutePatch>
export type RoutePatchInput = z.input<typeof RoutePatch>

/** @returns the table with the route of `patch` in place of the one of that name. */
export function patched(table: RouteTable, { generation, route }: RoutePatch): RouteTable {
  const at = table.routes.findIndex(({ name }) => name === route.name)
  const routes = [...table.routes]
  routes[at < 0 ? routes.length : at] = route
  return { ...table, generation, routes }
}
