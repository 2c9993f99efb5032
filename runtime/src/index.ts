/** What user code imports as `@ryo-faas/runtime`: types and the SDK. Importing it starts nothing. */
export { context, type FunctionContext, type FunctionLog, type UpgradeRequest } from './context.ts'
export { call, type CallInit } from './call.ts'
export type { DocumentEvent, DocumentEventKind, HttpHandler, Service, TriggerHandler, WebHandler } from './handlers.ts'
