export type { CheckOutcome, CheckRequest, CheckService } from './check.ts'
