/** The dispatcher's options: optional in the file, resolved when read, unknown ones refused. Times in milliseconds. */
import { z } from 'zod'
import { AccessKeys } from '../../access/index.ts'
import { BusAccess } from '../../bus/index.ts'
import { TracingInput } from '../../observability/tracing/index.ts'
import type { AsyncPolicy } from '../../contract/index.ts'
import type { Route, RouteTrigger } from '../../routes/index.ts'

const ms = z.int().min(0).max(2_147_483_647)

export type DispatchedTrigger = RouteTrigger

/** What has to be known of a route to run its calls and events. */
export interface DispatchedFunction {
  /** Lower case; what stands in subjects and URLs. */
  route: string
  displayName: string
  /** Longest run, which the proxy enforces. */
  timeoutMs: number
  /** Of its asynchronous calls, and of each of its triggers. */
  async: AsyncPolicy
  triggers: DispatchedTrigger[]
}

export function dispatchedFunction({ name, displayName, timeoutMs, policy, triggers }: Route): DispatchedFunction {
  return { route: name, displayName, timeoutMs, async: policy, triggers }
}

export const CallbackOptions = z.strictObject({
  /** Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
  secret: z.string().regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'must be whsec_ and 24 to 64 bytes in base64'),
  /** Patterns of host names to which results may go: see `CallbackRule`. */
  allow: z.array(z.string().min(1)).default(['*']),
  /** With the default backoff the last one comes about an hour and a half after the first. */
  attempts: z.int().min(1).max(1_000).default(12),
  backoffMs: ms.min(1).default(5_000),
  /** For one attempt as a whole. */
  timeoutMs: ms.min(1).default(10_000),
  /** Most at the same time. */
  concurrency: z.int().min(1).max(1_000).default(64),
  /** Most at the same time to one receiver, so that a slow one does not hold up the others. */
  concurrencyPerReceiver: z.int().min(1).max(1_000).default(8),
})
export type CallbackOptions = z.infer<typeof CallbackOptions>

export const DispatcherOptions = z.strictObject({
  nats: BusAccess,
  /** `http://host:port` */
  proxyUrl: z.url(),
  /**
   * `part` is what proxy and store know this dispatcher by, `operator` what the proxy proves itself with before anything is
   * sent to it, `functions` what depths in document events are signed with.
   */
  access: AccessKeys,
  /** Unix socket (or named pipe) where it takes routes; none without it. */
  controlPath: z.string().min(1).optional(),
  /** Where the last table of routes is kept, to work from the first moment after a restart. */
  routesFile: z.string().min(1).optional(),
  metricsHost: z.string().min(1).default('127.0.0.1'),
  /** 0 means any free one. */
  metricsPort: z.int().min(0).max(65_535).default(0),
  /** How many dispatchers share the work, this one included: each takes its part of every function's concurrency. */
  dispatchers: z.int().min(1).max(64).default(1),
  /** Which of them this one is. A trigger belongs to one of them, so that the order of its events is kept. */
  number: z.int().min(1).max(64).default(1),
  /** With several agents: the epoch of the one that started it. One of an earlier epoch takes no trigger from it. */
  term: z.int().min(0).default(0),
  /** Where to get events that were too long for a message; without it they wait. */
  storeUrl: z.url().optional(),
  /** Events that follow from so many others, one from the other, are a loop. */
  eventDepthLimit: z.int().min(0).max(1_000).default(16),
  /** How long events are kept for replay once every trigger has seen them. */
  eventRetentionMs: z
    .int()
    .min(60_000)
    .default(7 * 86_400_000),
  /** Longer results are not kept; the call counts as succeeded all the same. */
  resultLimitBytes: z
    .int()
    .min(0)
    .default(10 * 1024 * 1024),
  /** After this time without a sign of life a call is given to another dispatcher. */
  ackWaitMs: ms.min(100).default(10_000),
  /** How long `close` waits for what runs. */
  drainMs: ms.default(10_000),
  /** How much longer than a function's `timeoutMs` the proxy may take, e.g. to wait for an instance. */
  overtimeMs: ms.default(30_000),
  /** So often the platform may break a call off (see `calls/transitions.ts`) before the call is taken to be the cause. */
  interruptionLimit: z.int().min(1).max(1_000).default(100),
  /** For so long a proxy that is away, or a function without an instance, uses up no attempts. */
  unavailableMs: ms.default(300_000),
  /** Wait before a call to something unavailable is tried again; it doubles up to eight of these. */
  unavailableBackoffMs: ms.min(1).default(1_000),
  callback: CallbackOptions,
  /** Where spans go and which; without it nothing is recorded. */
  traces: TracingInput.optional(),
})
export type DispatcherOptions = z.infer<typeof DispatcherOptions>
export type DispatcherInput = z.input<typeof DispatcherOptions>

/** What `main.ts` reads. */
export const MainOptions = DispatcherOptions.extend({
  /** Where `{pid, port}` is written once the metrics server listens. */
  readyFile: z.string().min(1).optional(),
})
export type MainOptions = z.infer<typeof MainOptions>
