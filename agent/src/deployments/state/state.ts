import { routeOf } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { CallerKey } from '../../access/index.ts'
import { TableClock } from '../../routes/index.ts'
import {
  DeployEntry,
  DeploymentKind,
  EngineKind,
  nearMatch,
  RyoFaasError,
  ServedHandlers,
  TriggerStart,
} from '../../contract/index.ts'

/** Increases with every change that an earlier release could not read; `migrations.ts` has the steps. */
export const STATE_FORMAT = 4

/** One version of a deployment: everything needed to start it again without a rebuild. */
export const VersionRecord = z.object({
  version: z.int().min(1),
  /** Content hash of the built package. */
  hash: z.string(),
  /** Folder of the built package; an image that is gone is rebuilt from it. */
  dir: z.string(),
  /** What to run, relative to `dir`. */
  entry: z.string(),
  kind: DeploymentKind,
  /** Name of the language that knows how to run it. */
  language: z.string(),
  /** What its command runs on, if that is not the base of its language. */
  base: z.string().optional(),
  /** Protocol of the runtime that it was built with; 1 without our runtime, 0 if it is any HTTP server. */
  protocol: z.int().min(0),
  createdAt: z.string(),
  /** For a service: what its `main` registered. */
  served: ServedHandlers.optional(),
  /** Schedules are events for it: it is a Worker with `scheduled`. */
  isScheduled: z.literal(true).optional(),
  /** Its deploy.json entry, with absolute paths. */
  config: DeployEntry,
  /** Absolute path of that deploy.json; absent in versions of earlier releases and of what was built elsewhere. */
  deployFile: z.string().optional(),
  /** For what was built elsewhere: the digest of its package, and its project. */
  package: z.string().optional(),
  project: z.string().optional(),
})
export type VersionRecord = z.infer<typeof VersionRecord>

export const DeploymentRecord = z.object({
  name: z.string(),
  route: z.string(),
  /** The version that serves; always one of `versions`. */
  active: z.int().min(1),
  nextVersion: z.int().min(1),
  /** What `ryo-faas scale` said: a number, or 0 to sleep until it is called. Absent: as deploy.json says. */
  scaledTo: z.int().min(0).optional(),
  versions: z.array(VersionRecord).min(1),
  /** Where a debugger may attach to its one instance, if deployed for debugging. */
  debugPort: z.int().optional(),
  /** Start of each trigger of the active version, by the key of its handler. */
  subscriptions: z.record(z.string(), TriggerStart).default({}),
  /** Keys of the schedules that are paused. */
  pausedSchedules: z.array(z.string()).default([]),
})
export type DeploymentRecord = z.infer<typeof DeploymentRecord>

export function activeVersion({ versions, active }: DeploymentRecord): VersionRecord {
  return versions.find(({ version }) => version === active)!
}

/** A key of a caller, and what is told about it. Times in ISO format. */
export const CallerKeyRecord = CallerKey.extend({ createdAt: z.string(), usedAt: z.string().optional() })
export type CallerKeyRecord = z.infer<typeof CallerKeyRecord>

export const PlatformState = z.object({
  format: z.literal(STATE_FORMAT),
  /** The engine that started the running instances: only it can find them again. */
  engine: EngineKind.optional(),
  /** Chosen ports are kept, so that clients find a restarted part again. */
  ports: z.record(z.string(), z.int()),
  deployments: z.record(z.string(), DeploymentRecord),
  /** Of callers, by id: their hashes only. */
  keys: z.record(z.string(), CallerKeyRecord).default({}),
  /** A clock of tests, which schedules follow; absent: they follow the clock of this machine. */
  clock: TableClock.optional(),
})
export type PlatformState = z.infer<typeof PlatformState>

export const EMPTY_STATE: PlatformState = { format: STATE_FORMAT, ports: {}, deployments: {}, keys: {} }

/** Users choose the names of functions; one may be called `constructor`. */
export function deploymentIn(state: Readonly<PlatformState>, route: string): DeploymentRecord | undefined {
  return Object.hasOwn(state.deployments, route) ? state.deployments[route] : undefined
}

/** @throws RyoFaasError DEPLOYMENT_NOT_FOUND */
export function deploymentNamed(state: Readonly<PlatformState>, name: string): DeploymentRecord {
  const record = deploymentIn(state, routeOf(name))
  if (record) return record
  const names = Object.values(state.deployments).map(({ name }) => name)
  const near = nearMatch(name, names)
  throw new RyoFaasError('DEPLOYMENT_NOT_FOUND', `no deployment is named "${name}"`, {
    hint: near ? `Did you mean "${near}"?` : 'ryo-faas details lists what is deployed.',
  })
}
