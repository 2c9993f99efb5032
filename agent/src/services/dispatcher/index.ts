/** The dispatcher: takes asynchronous calls out of their queue and runs them. `main.ts` is its process. */
export { createDispatcher, type Dispatcher } from './dispatcher.ts'
export type { DispatcherEvent, OnEvent } from './events.ts'
export { CallbackOptions, DispatcherOptions, MainOptions, type DispatcherInput } from './options.ts'
export {
  DISPATCHER_NODE_ARGS,
  dispatcherControl,
  dispatcherPart,
  dispatcherPaths,
  type DispatcherPartOptions,
} from './dispatcher-part.ts'
