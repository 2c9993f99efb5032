export { AuditLog } from './audit-log.ts'
export { createApi, type ApiOptions } from './server.ts'
export type { Following, Platform } from './platform.ts'
export { FrontDoor } from './front-door.ts'
