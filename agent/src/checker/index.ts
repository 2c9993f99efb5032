export type { CheckOutcome, CheckRequest, CheckService } from './check.ts'
export { Checker } from './checker.ts'
export type { CheckerOptions } from './checker-options.ts'
export { createCheckService, type CheckServiceOptions, type WarmCheckService } from './check-service.ts'
