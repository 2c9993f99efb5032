/** The proxy's options: optional in the file, resolved when read, unknown ones refused. Times in milliseconds. */
import { z } from 'zod'
import { ExtraHost } from '../../host/index.ts'
import { AccessKeys } from '../../access/index.ts'
import { BusAccess } from '../../bus/index.ts'
import { TracingInput } from '../../observability/tracing/index.ts'
import { isNetwork } from './access/trusted-peers.ts'

const ms = z.int().min(0).max(2_147_483_647)

/** HTTPS in front of the proxy. */
export const FrontOptions = z.strictObject({
  host: z.string().min(1).default('0.0.0.0'),
  /** 0 means any free one, in a single process. */
  port: z.int().min(0).max(65_535),
  /** Folder of certificates: see `CertificateFolders`. */
  certificates: z.string().min(1),
  /** How often it is looked at. */
  reloadMs: ms.min(1).default(5_000),
  /** Where plain HTTP is sent on to HTTPS; absent: nowhere. */
  redirectPort: z.int().min(0).max(65_535).optional(),
  maxRedirectConnections: z.int().min(1).default(1_000),
  /** Folder with the answers to challenges of a certificate authority, one file each. */
  challenges: z.string().min(1).optional(),
  /** What the agent gets by ACME. */
  acme: z
    .strictObject({
      /** Another folder of certificates. */
      certificates: z.string().min(1),
      /** Answers to challenges: `TOKEN` for HTTP-01, `DOMAIN.pem` with its key for TLS-ALPN-01. */
      answers: z.string().min(1),
    })
    .optional(),
  /** Name at which the dashboard is served, and nothing else, and the socket of the agent. */
  dashboard: z.strictObject({ host: z.string().min(1), socketPath: z.string().min(1) }).optional(),
  /** Trusted peers begin their connections with the header of the PROXY protocol. */
  proxyProtocol: z.boolean().default(false),
})
export type FrontOptions = z.infer<typeof FrontOptions>
export type FrontInput = z.input<typeof FrontOptions>

export const DataPlaneOptions = z.strictObject({
  host: z.string().min(1).default('127.0.0.1'),
  /** More addresses to listen on, on the same port, and whom they are for: the gateway of the private network. */
  extraHosts: z.array(ExtraHost).default([]),
  /** 0 means any free one. */
  port: z.int().min(0).max(65_535).default(9999),
  /** How long a request waits for an instance to become ready. */
  readyTimeoutMs: ms.default(10_000),
  /** How long a rule of access may take to say whether a request is let in; then it is not. */
  verdictTimeoutMs: ms.min(1).default(10_000),
  /** Most requests that wait at the same time, in each worker; half of them for one function that is scaled. */
  maxWaiting: z.int().min(0).default(4_000),
  /** How long a client's idle connection is kept. */
  keepAliveTimeoutMs: ms.default(60_000),
  /** How long a request head may take to arrive. */
  headersTimeoutMs: ms.min(1).default(10_000),
  /** To an instance: then another one is tried. */
  connectTimeoutMs: ms.min(1).default(1_000),
  front: FrontOptions.optional(),
  /** How long a body may take that is for no function: the limit of a function ends those. */
  bodyTimeoutMs: ms.min(1).default(10_000),
  /** Most connections of clients, in each worker; more are closed at once. */
  maxConnections: z.int().min(1).default(15_000),
  /** Most of them from one address: see `PeerShare`. */
  maxConnectionsPerPeer: z.int().min(1).default(5_000),
  /** How long an upgraded connection may be silent in both directions. 0: forever. */
  upgradeIdleMs: ms.default(600_000),
  /** How long an idle connection to an instance is kept; must be below the instance's own limit. */
  upstreamIdleMs: ms.default(4_000),
  /**
   * How long a push at most waits for removed instances to have nothing in flight. What was sent to them just before
   * is read by then, so that they may close connections that look idle to them.
   */
  settleMs: ms.default(100),
  /** How long `close` waits for what is in flight. */
  graceMs: ms.default(10_000),
  /** Where spans go and which; without it nothing is recorded. */
  traces: TracingInput.optional(),
  /** Where asynchronous calls go; without it they are answered with 503 ASYNC_UNAVAILABLE. */
  nats: BusAccess.optional(),
  /** Who may do what besides calling functions; without it nobody may. */
  access: AccessKeys.optional(),
  /** Peers, as addresses or networks, whose `X-Forwarded-*`, `Forwarded` and `X-Real-IP` are believed. */
  trustProxy: z.array(z.string().refine(isNetwork, 'must be an address or a network')).default([]),
  /** Largest body of an asynchronous call. */
  asyncBodyLimitBytes: z
    .int()
    .min(0)
    .default(10 * 1024 * 1024),
  /** Patterns of host names to which results may be sent: see `CallbackRule`. */
  callbackAllow: z.array(z.string().min(1)).default(['*']),
})
export type DataPlaneOptions = z.infer<typeof DataPlaneOptions>

export const ProxyOptions = DataPlaneOptions.extend({
  /** Unix socket (or named pipe) of the control server; none without it. */
  controlPath: z.string().min(1).optional(),
  /** Where the last table is kept, to serve from the first moment after a restart. */
  routesFile: z.string().min(1).optional(),
  /** It is one of several proxies of a platform, which meet at `nats`. */
  shared: z
    .strictObject({
      /** Key of the platform: what they say is sealed with it. */
      key: z.string().min(32),
      /** Names it among them. */
      id: z.string().regex(/^[A-Za-z0-9_-]{1,63}$/),
      version: z.string(),
      /** It gets its routes there, and what proxies have in common. Otherwise it only counts. */
      isFollowing: z.boolean(),
      /** If it cannot find out that its routes are the newest: so long after it has some, it is ready with them. */
      catchUpMs: ms.default(5_000),
      /** Where callers reach it, `host:port`, if that is not where it listens. */
      address: z.string().min(1).optional(),
    })
    .optional(),
})
export type ProxyOptions = z.infer<typeof ProxyOptions>
export type ProxyInput = z.input<typeof ProxyOptions>

/** What `main.ts` reads. */
export const MainOptions = ProxyOptions.extend({
  /** Worker processes; 1 means that the process itself serves. */
  workers: z.int().min(1).max(64).default(1),
  /** Where `{pid, port, address}` is written once the proxy accepts. */
  readyFile: z.string().min(1).optional(),
})
export type MainOptions = z.infer<typeof MainOptions>
