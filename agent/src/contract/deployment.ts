import { z } from 'zod'
import { DeploymentKind } from './deploy-file.ts'
import { TriggerView } from './trigger.ts'

export const InstanceView = z.object({
  id: z.string(),
  version: z.int(),
  state: z.enum(['starting', 'ready', 'frozen', 'draining', 'exited']),
  /** `host:port` at which the platform reaches it. */
  address: z.string().optional(),
  /** Where it runs, if the engine has several machines. */
  machine: z.string().optional(),
  startedAt: z.string(),
})
export type InstanceView = z.infer<typeof InstanceView>

export const VersionView = z.object({
  version: z.int(),
  hash: z.string(),
  createdAt: z.string(),
  active: z.boolean(),
})

export const DeploymentState = z.enum(['running', 'starting', 'degraded', 'failing', 'asleep'])

export const DeploymentView = z.object({
  name: z.string(),
  route: z.string(),
  kind: DeploymentKind,
  version: z.int(),
  /**
   * `running`: all instances ready; `degraded`: some; `starting`: none yet; `failing`: none, and they keep dying;
   * `asleep`: none, until it is called.
   */
  state: DeploymentState,
  url: z.string(),
  /** Absolute; of what was built elsewhere, relative to the folder of its deploy.json. */
  filePath: z.string(),
  /** Version of Node that it asks for. */
  node: z.string().optional(),
  /** Absolute path of the deploy.json that it was last deployed from. */
  deployFile: z.string().optional(),
  /** Of what was built elsewhere: its project. */
  project: z.string().optional(),
  /** How many are to be awake now. */
  desiredInstances: z.int(),
  /** Between these their number follows the calls; equal: it is fixed. An agent of an earlier release does not say. */
  scale: z.object({ min: z.int(), max: z.int() }).optional(),
  instances: z.array(InstanceView),
  versions: z.array(VersionView),
  /** Counted by the proxy since it started. */
  calls: z.int(),
  errors: z.int(),
  p95Ms: z.number().nullable(),
  /** For a service: its paths. */
  paths: z.object({ http: z.array(z.string()), async: z.array(z.string()) }).optional(),
  /** Handlers that run without being called. */
  triggers: z.array(TriggerView),
  /** Port of the loopback interface where a debugger may attach. */
  debugPort: z.int().optional(),
  /** Why an instance last died, if one did. */
  lastExit: z.object({ at: z.string(), code: z.int().nullable(), reason: z.string() }).optional(),
})
export type DeploymentView = z.infer<typeof DeploymentView>
