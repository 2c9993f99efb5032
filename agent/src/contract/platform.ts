import { z } from 'zod'
import { CertificateView } from './certificate.ts'
import { ClockView } from './clock.ts'
import { ErrorBody } from './error-body.ts'

/** Name of an engine. Which there are, the agent's registry of engines says. */
export const EngineKind = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be the name of an engine')
export type EngineKind = z.infer<typeof EngineKind>

/** What keeps functions apart from this machine and from each other, as people read it. */
export const Isolation = z.object({
  /** Where functions run: "in containers". */
  label: z.string(),
  /** What it does not hold back; absent: nothing that one has to be told. */
  warning: z.string().optional(),
})
export type Isolation = z.infer<typeof Isolation>

/** What an engine may do beyond running instances; clients offer what is there. */
export const ENGINE_CAPABILITIES = ['images', 'logs', 'debug', 'freeze', 'pool'] as const
export type EngineCapability = (typeof ENGINE_CAPABILITIES)[number]

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

/** One of several agents of a platform. */
export const ClusterAgent = z.object({
  /** Of its machine. */
  name: z.string(),
  role: z.enum(['leads', 'stands-by']),
  /** Where other agents reach it. */
  address: z.string().optional(),
  version: z.string(),
  /** It is the one that was asked. */
  isThis: z.boolean(),
})

export const ClusterView = z.object({
  /** Of the agent that was asked. */
  role: z.enum(['leads', 'stands-by']),
  agents: z.array(ClusterAgent),
})
export type ClusterView = z.infer<typeof ClusterView>

export const PlatformView = z.object({
  project: z.string(),
  home: z.string(),
  version: z.string(),
  /** Hash of the running code, if it was packaged: it reveals an update. */
  build: z.string().optional(),
  engine: EngineKind,
  /** What the engine says about itself, e.g. the Docker version, or why `auto` fell back to processes. */
  engineNote: z.string(),
  /** Absent until the engine is known, and from agents that did not tell it. */
  isolation: Isolation.optional(),
  /** Of `ENGINE_CAPABILITIES`, or one that only a newer agent knows; absent like `isolation`. */
  capabilities: z.array(z.string()).optional(),
  proxyUrl: z.string(),
  /** Address the proxy listens on; older agents do not send it. */
  host: z.string().optional(),
  phase: PlatformPhase,
  /**
   * Present: functions cannot be started, stopped or changed yet, because the engine does not say what runs; this is why.
   * What runs goes on.
   */
  waitsFor: z.string().optional(),
  /** Present: schedules follow a clock of tests. */
  clock: ClockView.optional(),
  parts: z.array(PartView),
  /** Present: the platform has several agents, or may have. */
  cluster: ClusterView.optional(),
  /** With which HTTPS is served; absent without HTTPS, and from older agents. */
  certificates: z.array(CertificateView).optional(),
})
export type PlatformView = z.infer<typeof PlatformView>

/** A proxy that runs on another machine than the platform. */
export interface FurtherProxy {
  /** Unlike all others of the platform. */
  name: string
  /** Options of the same names of `startFaas`. */
  nats: Record<'natsUrl' | 'natsCreds' | 'natsCa' | 'natsCert' | 'natsKey', string>
  /** Name of the platform, if its NATS is one that others run (`startFaas --nats-url`). */
  project: string | undefined
  /** Of the platform. */
  key: string
  host: string
  /** 0: any free one. */
  port: number
  /** Where others reach it, `host:port`. */
  advertise: string | undefined
  trustProxy: string
  workers: number
}

/** An image or an instance of this project: what they are (a container, a process), the engine says. */
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

/** The platform as a service of this machine. */
export interface ServiceState {
  path: string
  isOfUser: boolean
  isInstalled: boolean
  /** As systemd says it (`active`, `inactive`, `failed`), or `absent`. */
  state: string
  /** Starts with the machine. */
  isEnabled: boolean
  /** What the user should know or do. */
  notes: string[]
}
