/** Results on their way to the callers that asked for them: queued with the end of a call, delivered from there. */
export { queueCallback } from './callback-message.ts'
export { CallbackWorker } from './callback-worker.ts'
