/** The dispatcher: takes asynchronous calls out of their queue and runs them. `main.ts` is its process. */
export { DispatcherControl, type QueueLine } from './dispatcher-control.ts'
export { MainOptions } from './options.ts'
export { DISPATCHER_NODE_ARGS, dispatcherName } from './process.ts'
