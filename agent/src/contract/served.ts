import { z } from 'zod'
import { DocumentTrigger, EventTrigger } from './trigger.ts'

/** A handler of a service that runs on document events. */
export const ServedTrigger = z.object({
  /** Names it within the service. */
  key: z.string().regex(/^[A-Za-z0-9_-]{1,63}$/),
  ...DocumentTrigger.shape,
  ids: z.array(z.string().min(1)).min(1).optional(),
})

/** One that runs on other events. */
const ServedEvents = z.object({
  key: ServedTrigger.shape.key,
  ...EventTrigger.omit({ kind: true }).shape,
})

/** What a service reports that it serves: see the runtime's `ServedHandlers`. */
export const ServedHandlers = z.object({
  http: z.array(z.string()),
  async: z.array(z.string()),
  triggers: z.array(ServedTrigger),
  events: z.array(ServedEvents).optional(),
})
export type ServedHandlers = z.infer<typeof ServedHandlers>
