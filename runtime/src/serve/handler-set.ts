/** What an instance serves: one handler, one trigger, or all that the `main` of a service registered. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { CloudEventHandler, HttpHandler, TriggerHandler, WebHandler } from '../handlers.ts'
import type { Adapted } from './dialects/index.ts'
import { SCHEDULED_KEY, TRIGGER_KEY, type ServedHandlers } from '../protocol/index.ts'

export type RequestHandler = NodeStyleHandler | { readonly style: 'web'; readonly handler: WebHandler }

/**
 * Only a handler that is known to want the context gets a third argument: an Express app takes it for `next`,
 * which is called with an error or with nothing.
 */
export type NodeStyleHandler = { readonly style: 'node' } & (
  | { readonly takesContext: true; readonly handler: HttpHandler }
  | { readonly takesContext: false; readonly handler: NodeApp }
)

type NodeApp = (request: IncomingMessage, response: ServerResponse) => unknown

/** Document events come in their short form unless the handler takes whole events; others are always whole. */
export type EventHandler =
  | { readonly takesCloudEvent?: false; readonly handler: TriggerHandler }
  | { readonly takesCloudEvent: true; readonly handler: CloudEventHandler }

export interface HandlerSet {
  /** @param url path and query as they came. @returns the handler, or why there is none. */
  find(url: string): RequestHandler | string
  readonly triggers: ReadonlyMap<string, EventHandler>
  /** Absent: everything goes to one handler. */
  readonly served?: ServedHandlers
  /** Schedules are events for it, which `SCHEDULED_KEY` takes. */
  readonly isScheduled?: true
}

const NO_TRIGGERS: ReadonlyMap<string, EventHandler> = new Map()

export function singleHandler(target: RequestHandler): HandlerSet {
  return { find: () => target, triggers: NO_TRIGGERS }
}

/** What the adapter of a dialect made. */
export function adaptedHandler({ handler, triggers = NO_TRIGGERS }: Pick<Adapted, 'handler' | 'triggers'>): HandlerSet {
  return {
    find: () => handler ?? 'This Worker has no fetch(request); it runs on schedules and answers no requests.',
    triggers,
    ...(triggers.has(SCHEDULED_KEY) && { isScheduled: true }),
  }
}

/** The platform already knows which events it is for. */
export function singleTrigger(target: EventHandler): HandlerSet {
  return {
    find: () => 'This function runs on events; it does not answer requests.',
    triggers: new Map([[TRIGGER_KEY, target]]),
  }
}
