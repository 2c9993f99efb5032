/** The checker as a service. `in-process.ts` is the second door: it loads the compiler, which takes a quarter of a second. */
export type { CheckOutcome, CheckRequest, CheckService } from './check.ts'
export type { CheckerOptions } from './checker-options.ts'
export { createCheckService, type CheckServiceOptions, type WarmCheckService } from './check-service.ts'
