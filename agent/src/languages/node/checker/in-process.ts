/** The checker itself, for callers with a thread of their own for it (the editor's worker). Loads the compiler. */
export type { CheckOutcome, CheckRequest } from './check.ts'
export { Checker } from './checker.ts'
export { isOwnForm } from './judge-module.ts'
export type { CheckerOptions } from './checker-options.ts'
