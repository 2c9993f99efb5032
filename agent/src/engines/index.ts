/** Where functions run. Only types and the registry: an engine is loaded when it is created. */
export type * from './engine.ts'
export type { EngineType } from './engine-type.ts'
export { capabilitiesOf, capability, type Images, type LogQuery, type Logs, type Pool } from './capabilities.ts'
export { AUTO, candidates, chooseEngine, engineBefore, engineHelp, type EngineChoice } from './engine-choice.ts'
export { LEAVING_LABEL, type SwarmNode, type SwarmTask } from './swarm/swarm-api.ts'
export { MovingEngine } from './moving-engine.ts'
export { ENGINES } from './registry.ts'
