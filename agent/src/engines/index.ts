/** Where functions run. Only types and the registry: an engine itself is loaded when it is made. */
export type * from './engine.ts'
export type { EngineContext, EngineType } from './engine-type.ts'
export {
  capabilitiesOf,
  capability,
  type Debugging,
  type EngineCapabilities,
  type ImageInfo,
  type Images,
  type LogQuery,
  type Logs,
  type LogSource,
} from './capabilities.ts'
export { AUTO, candidates, chooseEngine, engineHelp, type EngineChoice } from './engine-choice.ts'
export { ENGINES } from './registry.ts'
