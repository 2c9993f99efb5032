/**
 * What the parts of the platform agree on: variable names, headers, paths, names and error shapes.
 * It has no dependencies, so that every part can afford it, including the function in its container.
 */
export {
  CLOUD_EVENT_BATCH_TYPE,
  CLOUD_EVENT_TYPE,
  cloudEventProblem,
  isEventLike,
  isJsonType,
  OWN_EVENT_TYPES,
  type CloudEvent,
  type CloudEventProblem,
} from './cloud-event.ts'
export {
  DOCUMENT_EVENT_KINDS,
  type DocumentCloudEvent,
  type DocumentEventKind,
  type StoredDocument,
} from './document-event.ts'
export { CONFIG_FILES, DEPLOY_FILE, PACKAGE_FIELD, PACKAGE_FILE } from './deploy-files.ts'
export { ENV } from './env.ts'
export { findPath } from './find-path.ts'
export { RUNTIME_FILE, WHOLE_FOLDER, type HandOver } from './hand-over.ts'
export { CONNECTION_HEADERS, HEADERS, PLAIN_PROTOCOL, RUNTIME_PROTOCOL } from './headers.ts'
export {
  ASYNC_FUNCTIONS_PREFIX,
  CALLS_PATH,
  EVENTS_PATH,
  EVENTS_PREFIX,
  FUNCTION_PORT,
  FUNCTIONS_PREFIX,
  HEALTH_PATH,
  METRICS_PATH,
  REST_PATH,
  RESERVED_PREFIX,
} from './paths.ts'
export { NAME_PATTERN, pathSegment, routeOf } from './names.ts'
export { PLATFORM_ERRORS, platformError, type PlatformErrorBody, type PlatformErrorCode } from './platform-error.ts'
export {
  SCHEDULED_KEY,
  TRIGGER_KEY,
  type ServedEvents,
  type ServedHandlers,
  type ServedTrigger,
} from './served-handlers.ts'
