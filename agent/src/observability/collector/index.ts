export { startCollector, type Collector, type CollectorOptions } from './collector.ts'
export type { TraceStore } from './trace-store.ts'
