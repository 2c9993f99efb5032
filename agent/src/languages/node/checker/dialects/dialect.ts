/**
 * The seam for what other platforms call a function. A dialect is recognized by type (by syntax where there are no
 * types), and names the adapter of the runtime that makes a handler of it. `registry.ts` lists them.
 */
import { ts } from 'ts-morph'
import type { DeploymentKind } from '../../../../contract/index.ts'
import type { AcceptedTypes } from '../accepted-types.ts'
import type { AdapterUse } from '../check.ts'
import type { Finding } from '../findings.ts'
import type { HandlerShape } from '../handler-shape.ts'

/** An export that may be a handler, by whatever name. */
export interface Candidate {
  /** For messages: the deployment's. */
  readonly name: string
  readonly kind: Extract<DeploymentKind, 'http' | 'async'>
  readonly file: ts.SourceFile
  readonly symbol: ts.Symbol
  /** Where to point. */
  readonly node: ts.Node
  readonly type: ts.Type
  /** Its call signatures. */
  readonly shapes: readonly HandlerShape[]
  readonly checker: ts.TypeChecker
  readonly types: AcceptedTypes
  /** Whether the module can import a package. */
  isInstalled(specifier: string): boolean
}

export interface Recognized {
  /** What it is, for people: `Express app`. */
  form: string
  /** It has `scheduled(event)`: that alone, or beside requests. */
  scheduled?: 'alone' | 'too'
  /** Absent: it is called as a Node-style handler. */
  adapter?: AdapterUse
}

export interface Dialect {
  /** What it is in general, for lists. */
  readonly name: string
  /** Exports of `@ryo-faas/runtime/dialects` that its adapter uses may name. */
  readonly adapters: readonly string[]
  /** A finding: it is this dialect, but cannot be run, and nothing else can be tried. */
  recognize(candidate: Candidate): Recognized | Finding | undefined
}
