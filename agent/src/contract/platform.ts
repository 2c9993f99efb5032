import { z } from 'zod'
import { ErrorBody } from './errors.ts'

export const EngineKind = z.enum(['docker', 'process'])
export type EngineKind = z.infer<typeof EngineKind>

export const PartView = z.object({
  /** `agent`, `keeper`, `proxy`, `nats`, `store`, `dispatcher`; further dispatchers are `dispatcher-2` and so on. */
  name: z.string(),
  state: z.enum(['running', 'starting', 'failing', 'absent']),
  address: z.string().optional(),
  pid: z.int().optional(),
  restarts: z.int(),
  note: z.string().optional(),
})
export type PartView = z.infer<typeof PartView>

/** Progress of the start; `failed` carries the reason. */
export const PlatformPhase = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('starting'), doing: z.string() }),
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('stopping') }),
  z.object({ kind: z.literal('failed'), error: ErrorBody }),
])

export const PlatformView = z.object({
  project: z.string(),
  home: z.string(),
  version: z.string(),
  /** Hash of the running code, if it was packaged: it reveals an update. */
  build: z.string().optional(),
  engine: EngineKind,
  /** What the engine says about itself, e.g. the Docker version, or why `auto` fell back to processes. */
  engineNote: z.string(),
  proxyUrl: z.string(),
  /** Address the proxy listens on; older agents do not send it. */
  host: z.string().optional(),
  phase: PlatformPhase,
  parts: z.array(PartView),
})
export type PlatformView = z.infer<typeof PlatformView>

/** An image or container (docker), a bundle folder or process (process engine) that belongs to this project. */
export const ResourceView = z.object({
  type: z.enum(['image', 'instance']),
  id: z.string(),
  name: z.string(),
  deployment: z.string(),
  version: z.string(),
  state: z.string(),
  sizeBytes: z.int().optional(),
  createdAt: z.string(),
})
export type ResourceView = z.infer<typeof ResourceView>
