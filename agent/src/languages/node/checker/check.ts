/** Request and result of the checker. */
import type { DeploymentKind, Problem, HandledEvents } from '../../../contract/index.ts'
import type { InstalledPlace } from './installed-place.ts'

export interface CheckRequest {
  /** Name of the export (ignored for services, which export `main`). */
  name: string
  kind: DeploymentKind
  /** Kinds of a trigger's events; default: any. */
  on?: readonly HandledEvents[]
  /** The export that deploy.json names; default: the one of that name, the default export, or all methods. */
  export?: string
  /** Absolute. */
  packageDir: string
  /** Absolute, inside `packageDir`. */
  filePath: string
  /** Where the packages of a project are that has no `node_modules`. */
  installed?: InstalledPlace
}

/** How the runtime calls a handler. */
export type HandlerCall =
  | {
      style: 'node' | 'web' | 'trigger' | 'service'
      /**
       * Node style: its third parameter is for the context. Without this, the handler gets two arguments,
       * because an app of Express takes a third one for `next`.
       */
      takesContext?: true
      /** A trigger gets whole events also of documents. */
      takesCloudEvent?: true
    }
  | { style: 'dialect'; adapter: AdapterUse }

/** An adapter of the runtime (`@ryo-faas/runtime/dialects`), and what the generated entry does for it. */
export interface AdapterUse {
  /** Its export. */
  name: string
  /** Given to the adapter; JSON. */
  options?: Readonly<Record<string, unknown>>
  /** Modules of the user's packages that the entry imports for the adapter. */
  packages?: readonly string[]
  /** Another export, a function that is called before the user's module is loaded. */
  setup?: string
}

export type CheckOutcome =
  | (HandlerCall & {
      kind: 'accepted'
      /** Key of the module's exports for the handler: its name, `default` or `main`; `*` for the whole module. */
      exportName: string
      /** What it is, for people: `Express app`. */
      form: string
      /** It has `scheduled(event)`: that alone, or beside requests. */
      scheduled?: 'alone' | 'too'
    })
  | { kind: 'rejected'; problems: Problem[] }

/** The checker as the deployer sees it: elsewhere (in a worker), warm, several requests at once. */
export interface CheckService {
  check(requests: CheckRequest[]): Promise<CheckOutcome[]>
  close(): Promise<void>
}
