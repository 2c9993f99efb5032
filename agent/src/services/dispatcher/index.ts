/** The dispatcher: takes asynchronous calls out of their queue and runs them. `main.ts` is its process. */
export { createDispatcher, type Dispatcher } from './dispatcher.ts'
export type { DispatcherEvent, OnEvent } from './events.ts'
export {
  CallbackOptions,
  DispatchedFunction,
  DispatchedTrigger,
  DispatcherOptions,
  FunctionsFile,
  MainOptions,
  type DispatcherInput,
} from './options.ts'
export {
  DISPATCHER_NODE_ARGS,
  dispatcherPart,
  dispatcherPaths,
  writeFunctions,
  type DispatcherPartOptions,
} from './dispatcher-part.ts'
