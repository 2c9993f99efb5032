/** Where functions run. Only types and the registry: an engine itself is loaded when it is made. */
export type * from './engine.ts'
export type { EngineType } from './engine-type.ts'
export { capabilitiesOf, capability, type Images, type LogQuery, type Logs } from './capabilities.ts'
export { AUTO, candidates, chooseEngine, engineHelp } from './engine-choice.ts'
export { ENGINES } from './registry.ts'
