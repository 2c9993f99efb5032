/** What user code imports as `@ryo-faas/runtime`: types and the SDK. Importing it starts nothing. */
export { context, type Caller, type FunctionContext, type FunctionLog, type UpgradeRequest } from './context.ts'
export { call, type CallInit } from './call.ts'
export { publish, PublishError, type EventToPublish } from './publish.ts'
export {
  store,
  StoreError,
  type MergePatch,
  type Query,
  type QueryPage,
  type StoredDocument,
  type Table,
  type WriteOptions,
} from './store.ts'
export type {
  CloudEvent,
  CloudEventHandler,
  DocumentEvent,
  DocumentEventKind,
  EventPattern,
  HttpHandler,
  PlainWebHandler,
  RouteOptions,
  Service,
  TriggerHandler,
  TriggerOptions,
  WebHandler,
} from './handlers.ts'
