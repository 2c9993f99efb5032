import type { DocumentEventKind } from './document-event.ts'

/** What an instance says of itself in the health answer, so that the platform knows what to send it. */
export interface ServedHandlers {
  /** Paths below the function that are answered at once, each with everything below it. */
  http: string[]
  /** Paths whose calls are queued. */
  async: string[]
  triggers: ServedTrigger[]
}

export interface ServedTrigger {
  /** Names the handler in `EVENTS_PREFIX` and in what is remembered of its progress; unique within the function. */
  key: string
  table: string
  events: DocumentEventKind[]
  /** Only these documents; absent: all. */
  ids?: string[]
}

/** Key of the handler of a function that is nothing but a trigger. */
export const TRIGGER_KEY = 'on'
