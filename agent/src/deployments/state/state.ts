import { z } from 'zod'
import { DeployEntry, DeploymentKind, EngineKind, ServedHandlers, TriggerStart } from '../../contract/index.ts'

/** Counts up with every change that an earlier release could not read; `migrations.ts` has the steps. */
export const STATE_FORMAT = 3

/** One version of a deployment: everything needed to start it again without a rebuild. */
export const VersionRecord = z.object({
  version: z.int().min(1),
  /** Content hash of the built package. */
  hash: z.string(),
  /** Folder of the built package; an image that is gone is made from it again. */
  dir: z.string(),
  /** What to run, relative to `dir`. */
  entry: z.string(),
  kind: DeploymentKind,
  /** Name of the language that knows how to run it. */
  language: z.string(),
  /** Protocol of the runtime that it was built with; 1 without one of ours. */
  protocol: z.int().min(1),
  createdAt: z.string(),
  /** For a service: what its `main` registered. */
  served: ServedHandlers.optional(),
  /** The deploy.json entry it was made of, with absolute paths. */
  config: DeployEntry,
  /** Where that entry is, absolute; versions of earlier releases do not tell. */
  deployFile: z.string().optional(),
})
export type VersionRecord = z.infer<typeof VersionRecord>

export const DeploymentRecord = z.object({
  name: z.string(),
  route: z.string(),
  /** The version that serves; always one of `versions`. */
  active: z.int().min(1),
  nextVersion: z.int().min(1),
  instances: z.int().min(1),
  versions: z.array(VersionRecord).min(1),
  /** Where a debugger may attach to its one instance: it was deployed for that. */
  debugPort: z.int().optional(),
  /** While there is one for a debugger: how many there were before. */
  undebuggedInstances: z.int().min(1).optional(),
  /** From when on each trigger of the active version listens, by the key of its handler. */
  subscriptions: z.record(z.string(), TriggerStart).default({}),
})
export type DeploymentRecord = z.infer<typeof DeploymentRecord>

export function activeVersion({ versions, active }: DeploymentRecord): VersionRecord {
  return versions.find(({ version }) => version === active)!
}

export const PlatformState = z.object({
  format: z.literal(STATE_FORMAT),
  /** On which what runs was started: only there it is found again. */
  engine: EngineKind.optional(),
  /** Ports once chosen stay, so that clients find a restarted part where it was. */
  ports: z.record(z.string(), z.int()),
  deployments: z.record(z.string(), DeploymentRecord),
})
export type PlatformState = z.infer<typeof PlatformState>

export const EMPTY_STATE: PlatformState = { format: STATE_FORMAT, ports: {}, deployments: {} }

/** The names of functions are their authors'; one may be called `constructor`. */
export function deploymentIn(state: Readonly<PlatformState>, route: string): DeploymentRecord | undefined {
  return Object.hasOwn(state.deployments, route) ? state.deployments[route] : undefined
}
