import type { DocumentEventKind } from './document-event.ts'

/** Below `EVENTS_PREFIX`: `scheduled` of a Worker, for a CloudEvent of `scheduleEvent`. */
export const SCHEDULED_KEY = 'scheduled'

/** What an instance reports in its health response, so that the platform knows what to send it. */
export interface ServedHandlers {
  /** Paths below the function that are served synchronously, each with everything below it. */
  http: string[]
  /** Paths whose calls are queued. */
  async: string[]
  triggers: ServedTrigger[]
  /** Handlers of events from elsewhere; absent: none. */
  events?: ServedEvents[]
}

export interface ServedTrigger {
  /** Names the handler below `EVENTS_PREFIX` and in its saved progress; unique within the function. */
  key: string
  table: string
  events: DocumentEventKind[]
  /** Only these documents; absent: all. */
  ids?: string[]
}

export interface ServedEvents {
  /** As that of a `ServedTrigger`, and unique among them. */
  key: string
  /** A final `*` stands for any text. */
  type: string
  source?: string
}

/** Key of the only handler of a trigger function. */
export const TRIGGER_KEY = 'on'
