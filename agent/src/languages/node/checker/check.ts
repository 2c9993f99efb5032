/** What the checker is asked and what it answers. */
import type { DeploymentKind, Problem } from '../../../contract/index.ts'

export interface CheckRequest {
  /** Name of the export (not looked at for services, which export `main`). */
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
      /** Key of the module's exports under which the handler stands: its name, `default` or `main`. */
      exportName: string
      /**
       * Node style: its third parameter is one for the context. Where it is absent the handler is given two arguments,
       * because an app of Express takes a third one for `next`.
       */
      takesContext?: true
    }
  | { kind: 'rejected'; problems: Problem[] }

/** The checker as the deployer sees it: somewhere else (a worker), warm, several requests in one go. */
export interface CheckService {
  check(requests: CheckRequest[]): Promise<CheckOutcome[]>
  close(): Promise<void>
}
