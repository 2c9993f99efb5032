/**
 * The routes that the agent pushes and the proxy serves: data only, replaced as a whole.
 *
 * Invariants: 1. a table with a lower generation never replaces one with a higher. 2. route names are lower case and
 * unique. 3. an instance is the same instance only while id, host and port are the same.
 */
import { NAME_PATTERN } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { AsyncPolicy } from '../../../contract/index.ts'

export const RouteInstance = z.object({
  id: z.string().min(1).max(200),
  host: z.string().min(1).max(255),
  port: z.int().min(1).max(65_535),
})
export type RouteInstance = z.infer<typeof RouteInstance>

export const Route = z.object({
  /** Lower case; what stands in the URL. */
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
  /** Present: calls are asynchronous. What it says is for the dispatcher. */
  async: AsyncPolicy.optional(),
  /** For a service: which of its paths are asynchronous. Absent: all or none, as `async` says. */
  paths: z.object({ http: z.array(z.string()), async: z.array(z.string()) }).optional(),
})
export type Route = z.infer<typeof Route>

export const RouteTable = z.object({
  /** Counts up with every change the agent makes. */
  generation: z.int().min(0),
  routes: z
    .array(Route)
    .refine(routes => new Set(routes.map(route => route.name)).size === routes.length, 'route names must be unique'),
})
export type RouteTable = z.infer<typeof RouteTable>
