import { ACCESS_API } from './access-api.ts'
import { DEPLOYING_API } from './deploying-api.ts'
import { DEPLOYMENTS_API } from './deployments-api.ts'
import { PLATFORM_API } from './platform-api.ts'

/**
 * The agent API as data: the server validates with it, the client takes its types from it, the OpenAPI document is made
 * of it. `stream: true` means newline-delimited JSON (`application/x-ndjson`): each line is of the response type, or
 * empty as a heartbeat. Errors are `{"error": ErrorBody}`.
 */
export const API = { ...DEPLOYING_API, ...DEPLOYMENTS_API, ...ACCESS_API, ...PLATFORM_API }

export type Api = typeof API
export type ApiName = keyof Api

export type { ApiRoute } from './api-route.ts'
