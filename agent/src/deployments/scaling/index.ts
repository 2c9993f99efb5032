/** Instances that follow the calls: how many there are, when they sleep, and how they wake. */
export { isElastic, keptOverride, scaleOf, scaleOfRecord } from './scale-of.ts'
export { Scaler, type ColdStart, type DemandSource, type QueueSource } from './scaler.ts'
export { Sleep } from './sleep.ts'
