export { Backoff } from './backoff.ts'
export type { Part, RunningPart } from './part.ts'
export { ProcessPart } from './process-part.ts'
export { Supervisor } from './supervisor.ts'
