export { TRIGGER_SOURCES } from './registry.ts'
export type { TriggerSources } from './source.ts'
export { Triggers } from './triggers.ts'
