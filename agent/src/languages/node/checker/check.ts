/** Request and result of the checker. */
import type { DeploymentKind, Problem } from '../../../contract/index.ts'

export interface CheckRequest {
  /** Name of the export (ignored for services, which export `main`). */
  name: string
  kind: DeploymentKind
  /** Absolute. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
}

export type CheckOutcome =
  | {
      kind: 'accepted'
      /** How the runtime calls the handler. */
      style: 'node' | 'web' | 'trigger' | 'service'
      /** Key of the module's exports for the handler: its name, `default` or `main`. */
      exportName: string
      /**
       * Node style: its third parameter is for the context. Without this, the handler gets two arguments,
       * because an app of Express takes a third one for `next`.
       */
      takesContext?: true
    }
  | { kind: 'rejected'; problems: Problem[] }

/** The checker as the deployer sees it: elsewhere (in a worker), warm, several requests at once. */
export interface CheckService {
  check(requests: CheckRequest[]): Promise<CheckOutcome[]>
  close(): Promise<void>
}
