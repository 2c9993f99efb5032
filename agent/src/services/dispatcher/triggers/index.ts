export { TRIGGER_SOURCES } from './registry.ts'
export { SYSTEM_CLOCK } from './schedule/system-clock.ts'
export type { Clock, TriggerSources } from './source.ts'
export { Triggers } from './triggers.ts'
