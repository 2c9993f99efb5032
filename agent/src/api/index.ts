export { createApi, type ApiOptions } from './server.ts'
export type { Platform } from './platform.ts'
