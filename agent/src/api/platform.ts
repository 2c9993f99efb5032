import type { Duplex, Readable } from 'node:stream'
import type { MetricsHistory, PlatformEvent, PlatformView } from '../contract/index.ts'
import type { TraceStore } from '../observability/collector/index.ts'
import type { CallerKeys, Deployer } from '../deployments/index.ts'
import type { AuditLog } from './audit-log.ts'
import type { SecretStore } from '../secrets/index.ts'
import type { TokenStore } from '../tokens/index.ts'

export interface Following {
  /** A connection to the API of the agent that leads. @throws RyoFaasError NOT_LEADING */
  connectLeader(): Promise<Duplex>
}

/** What the API serves: the agent's composition root provides it. */
export interface Platform {
  view(): PlatformView
  /** @throws RyoFaasError while the platform starts or after it failed. */
  deployer(): Deployer
  /** @throws RyoFaasError NOT_RUNNING, like `deployer`. */
  traces(): TraceStore
  /** @throws RyoFaasError NOT_RUNNING, like `deployer`. */
  keys(): CallerKeys
  /** Absent: this agent answers itself. Otherwise the one that leads does. */
  following(): Following | undefined
  /** The operator's, for proxy and store. */
  readonly token: string
  /** @returns whether there is anything to try for this host name */
  retryCertificate(domain: string): Promise<boolean>
  secrets: SecretStore
  tokens: TokenStore
  audit: AuditLog
  metrics: {
    /** Metrics of all parts together, for Prometheus. */
    page(format: 'prometheus' | 'openmetrics'): Promise<{ contentType: string; body: string }>
    history(query: { since: number; function?: string | undefined }): MetricsHistory
  }
  /**
   * A backup of everything, as a file.
   * @throws RyoFaasError NOT_RUNNING, like `deployer`; HOME_UNUSABLE, STORE_UNAVAILABLE, NATS_UNAVAILABLE
   */
  backup(): Promise<Readable>
  onEvent(listener: (event: PlatformEvent) => void): () => void
  /** Stops functions and parts; the agent itself exits after the response is sent. */
  shutdown(options: { prune: boolean }): Promise<string[]>
}
