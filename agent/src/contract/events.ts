import { z } from 'zod'
import { BootFacts } from './boot-facts.ts'
import { BundleFacts } from './bundle-facts.ts'
import { ErrorBody } from './error-body.ts'
import { BuiltFunction } from './package.ts'

/** The steps of one deployment in the order they happen. `unchanged` ends early; `build-only` ends after building. */
export const DeployStep = z.enum(['checking', 'building', 'starting', 'switching'])
export type DeployStep = z.infer<typeof DeployStep>

/** What a debugger speaks: Node's inspector, or the Debug Adapter Protocol, as debugpy and Delve do. */
export const DebugProtocol = z.enum(['inspector', 'debugpy', 'delve'])
export type DebugProtocol = z.infer<typeof DebugProtocol>

/** Where a debugger finds what the process at `debugPort` runs; absolute folders. */
export const DebugPaths = z.object({
  /** Folder of the running code, as its process sees it. */
  remoteRoot: z.string(),
  /** The same files, bundle and source map, on this machine. */
  localRoot: z.string(),
  /** Bundle, relative to those folders; its map is next to it as `<entry>.map`. */
  entry: z.string(),
  /** What the sources in the source map are relative to: the package that was deployed. */
  sourceRoot: z.string(),
  /** Absent in an agent of an earlier release: inspector. */
  protocol: DebugProtocol.optional(),
})
export type DebugPaths = z.infer<typeof DebugPaths>

/** What `POST /v1/deploys` streams, one JSON object per line. The last one is `finished`. */
export const DeployEvent = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('planned'),
    names: z.array(z.string()),
    /** Folders and files to watch, whether or not they exist: a change there calls for a redeploy. */
    folders: z.array(z.string()),
  }),
  /** It has not begun; `why` is a reason like that of an error. */
  z.object({ type: z.literal('waiting'), why: z.string() }),
  z.object({ type: z.literal('step'), name: z.string(), step: DeployStep }),
  /** What was bundled, if the request asked to explain it. */
  z.object({ type: z.literal('bundled'), name: z.string(), facts: BundleFacts }),
  /** How its first instance started, if the request asked to explain it. */
  z.object({ type: z.literal('booted'), name: z.string(), boot: BootFacts }),
  z.object({ type: z.literal('note'), name: z.string(), message: z.string() }),
  z.object({
    type: z.literal('deployed'),
    name: z.string(),
    version: z.int(),
    url: z.string(),
    outcome: z.enum(['created', 'updated', 'unchanged', 'built']),
    /** Port of the loopback interface where a debugger may attach. */
    debugPort: z.int().optional(),
    debugPaths: DebugPaths.optional(),
    /** More folders to watch: what it was made from outside its package, as in a workspace. */
    folders: z.array(z.string()).optional(),
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

/** What `POST /v1/builds` streams. The last one is `built` or `failed`. */
export const BuildEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('planned'), names: z.array(z.string()), folders: z.array(z.string()) }),
  z.object({ type: z.literal('step'), name: z.string(), step: DeployStep }),
  z.object({ type: z.literal('bundled'), name: z.string(), facts: BundleFacts }),
  z.object({ type: z.literal('note'), name: z.string(), message: z.string() }),
  z.object({
    type: z.literal('built'),
    project: z.string(),
    functions: z.array(BuiltFunction),
    /** Where the contents are on this machine, each named by its SHA-256. */
    folder: z.string(),
  }),
  z.object({ type: z.literal('failed'), error: ErrorBody }),
])
export type BuildEvent = z.infer<typeof BuildEvent>
/** Those that a deploy emits as well. */
export type BuildProgress = Exclude<BuildEvent, { type: 'built' | 'failed' }>

/** Calls of one deployment, counted since the proxy started. */
export const CallCount = z.object({
  route: z.string(),
  calls: z.int(),
  errors: z.int(),
  p95Ms: z.number().nullable(),
})
export type CallCount = z.infer<typeof CallCount>

/**
 * What `GET /v1/events` streams: "look again" signals for views, and counts, which change too often to be looked up.
 * More types may be added: clients skip unknown ones.
 */
export const PlatformEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('hello') }),
  z.object({ type: z.literal('platform-changed') }),
  z.object({ type: z.literal('deployment-changed'), name: z.string() }),
  z.object({ type: z.literal('deployment-removed'), name: z.string() }),
  /** Traces were added or changed; at most twice a second. */
  z.object({ type: z.literal('traces-changed') }),
  /** At most once a second, with the deployments whose counts changed. */
  z.object({ type: z.literal('calls-counted'), counts: z.array(CallCount) }),
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
