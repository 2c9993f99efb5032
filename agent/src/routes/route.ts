/**
 * A route: what proxies and dispatchers have to know of a deployment. The agent publishes all of them as one table, which is
 * data only and replaced as a whole.
 *
 * Invariants: 1. a table with a lower generation never replaces one with a higher. 2. route names are lower case and
 * unique. 3. an instance is the same instance only while id, host and port are the same. 4. a field may be added, and is
 * then optional: parts of another build read the table, and one on disk may be older than who reads it.
 */
import { NAME_PATTERN } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { AsyncPolicy, TriggerStart } from '../contract/index.ts'

export const RouteInstance = z.object({
  id: z.string().min(1).max(200),
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
})
export type RouteInstance = z.infer<typeof RouteInstance>

/** What is known of a trigger of any kind; the rest, for its source, stands next to it. */
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

/** Which rule says who may call it; what else the rule needs stands next to its kind. */
export const Access = z.looseObject({ kind: z.string().min(1) })
export type Access = z.infer<typeof Access>

export const Route = z.object({
  /** Lower case; what stands in URLs and subjects. */
  name: z
    .string()
    .regex(NAME_PATTERN)
    .refine(name => name === name.toLowerCase(), 'must be lower case'),
  /** The name as the user wrote it; the value of `faas_name` in metrics. */
  displayName: z.string().min(1).max(200),
  version: z.int().min(0),
  /** Longest run of one invocation, answer included, in milliseconds. */
  timeoutMs: z.int().min(1).max(2_147_483_647),
  /** Most invocations at the same time in each instance; 0 means no limit. */
  concurrency: z.int().min(0),
  /** Largest body of a request; absent: none is too large. */
  bodyLimitBytes: z.int().min(0).optional(),
  instances: z.array(RouteInstance),
  /** Its instances are servers of any kind that do not say who they are: whatever answers at an address is believed. */
  isAnonymous: z.boolean().optional(),
  /** Absent: open to everybody. Reserved: no deployment sets it yet. */
  access: Access.optional(),
  /** Present: calls are asynchronous, whether they ask for it or not. */
  async: AsyncPolicy.optional(),
  /** For a service: which of its paths are asynchronous. Absent: all or none, as `async` says. */
  paths: z.object({ http: z.array(z.string()), async: z.array(z.string()) }).optional(),
  /** How the dispatcher runs what is queued for it, and the events of each of its triggers. */
  policy: AsyncPolicy.prefault({}),
  triggers: z.array(RouteTrigger).default([]),
})
export type Route = z.infer<typeof Route>
export type RouteInput = z.input<typeof Route>

export const RouteTable = z.object({
  /** Counts up with every change the agent makes. */
  generation: z.int().min(0),
  routes: z
    .array(Route)
    .refine(routes => new Set(routes.map(route => route.name)).size === routes.length, 'route names must be unique'),
})
export type RouteTable = z.infer<typeof RouteTable>
export type RouteTableInput = z.input<typeof RouteTable>
