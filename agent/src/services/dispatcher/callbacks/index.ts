/** Results for callers that asked for a callback: queued at the end of a call, then delivered. */
export { queueCallback } from './callback-message.ts'
export { CallbackWorker } from './callback-worker.ts'
