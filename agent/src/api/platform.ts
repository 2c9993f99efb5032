import type { PlatformEvent, PlatformView } from '../contract/index.ts'
import type { TraceStore } from '../collector/index.ts'
import type { Deployer } from '../deployer/index.ts'
import type { SecretStore } from '../secrets/index.ts'

/** What the API serves: the agent's composition root provides it. */
export interface Platform {
  view(): PlatformView
  /** @throws RyoFaasError while the platform starts or after it failed. */
  deployer(): Deployer
  secrets: SecretStore
  /** @throws RyoFaasError NOT_RUNNING before it was opened. */
  traces(): TraceStore
  onEvent(listener: (event: PlatformEvent) => void): () => void
  /** Ends functions and parts; the agent itself ends after the answer is sent. */
  shutdown(options: { prune: boolean }): Promise<string[]>
  metrics(): Promise<{ contentType: string; body: string }>
}
