/** What the builder asks the compiler for, and what both know about the answer; loads nothing. */
export interface CompileRequest {
  path: string
  text: string
  /** As in tsconfig.json, with what it extends. */
  compilerOptions: Record<string, unknown>
}

/** Begins the names of those imports. */
export const TYPES_NAMESPACE = '__ryoFaasTypes'
/** Ends their specifiers: a module that has only types need not exist at run time. */
export const TYPES_SUFFIX = '?ryo-faas-types'
