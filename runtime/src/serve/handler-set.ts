/** What an instance serves: one handler, one trigger, or all that the `main` of a service registered. */
import type { HttpHandler, TriggerHandler, WebHandler } from '../handlers.ts'
import { TRIGGER_KEY, type ServedHandlers } from '../protocol/index.ts'

export type RequestHandler =
  { readonly style: 'node'; readonly handler: HttpHandler } | { readonly style: 'web'; readonly handler: WebHandler }

export interface HandlerSet {
  /** @param url path and query as they came. @returns the handler, or why there is none. */
  find(url: string): RequestHandler | string
  readonly triggers: ReadonlyMap<string, TriggerHandler>
  /** Absent: everything goes to one handler. */
  readonly served?: ServedHandlers
}

const NO_TRIGGERS: ReadonlyMap<string, TriggerHandler> = new Map()

export function singleHandler(target: RequestHandler): HandlerSet {
  return { find: () => target, triggers: NO_TRIGGERS }
}

/** Its tables and kinds are known to the platform already. */
export function singleTrigger(handler: TriggerHandler): HandlerSet {
  return {
    find: () => 'This function runs on document events; it answers no requests.',
    triggers: new Map([[TRIGGER_KEY, handler]]),
  }
}
