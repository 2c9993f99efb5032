import { z } from 'zod'
import { ErrorBody } from './errors.ts'

/** The steps of one deployment in the order they happen. `unchanged` ends early; `build-only` ends after building. */
export const DeployStep = z.enum(['checking', 'building', 'starting', 'switching'])
export type DeployStep = z.infer<typeof DeployStep>

/** What `POST /v1/deploys` streams, one JSON object a line. The last one is `finished`. */
export const DeployEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('planned'),
    names: z.array(z.string()),
    /** Folders whose change makes a redeploy worth it. */
    folders: z.array(z.string()),
  }),
  z.object({ type: z.literal('step'), name: z.string(), step: DeployStep }),
  z.object({ type: z.literal('note'), name: z.string(), message: z.string() }),
  z.object({
    type: z.literal('deployed'),
    name: z.string(),
    version: z.int(),
    url: z.string(),
    outcome: z.enum(['created', 'updated', 'unchanged', 'built']),
    /** Port of the loopback interface where a debugger may attach. */
    debugPort: z.int().optional(),
    durationMs: z.number(),
  }),
  z.object({ type: z.literal('failed'), name: z.string(), error: ErrorBody }),
  z.object({
    type: z.literal('finished'),
    deployed: z.int(),
    failed: z.int(),
    error: ErrorBody.optional(),
    durationMs: z.number(),
  }),
])
export type DeployEvent = z.infer<typeof DeployEvent>

/** What `GET /v1/events` streams: "look again" signals for views, never the state itself. Later versions know more types. */
export const PlatformEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello') }),
  z.object({ type: z.literal('platform-changed') }),
  z.object({ type: z.literal('deployment-changed'), name: z.string() }),
  z.object({ type: z.literal('deployment-removed'), name: z.string() }),
  /** Traces came or went on; at most twice a second. */
  z.object({ type: z.literal('traces-changed') }),
])
export type PlatformEvent = z.infer<typeof PlatformEvent>

export const LogLine = z.object({
  /** ISO 8601. */
  time: z.string(),
  stream: z.enum(['stdout', 'stderr']),
  instance: z.string(),
  line: z.string(),
})
export type LogLine = z.infer<typeof LogLine>
