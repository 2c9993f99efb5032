/**
 * What starts a function besides a call, by kind. A kind is one schema here, one source in the dispatcher
 * (`services/dispatcher/triggers/registry.ts`), and what `deployments/subscriptions.ts` makes of it.
 */
import { z } from 'zod'
import { DOCUMENT_EVENT_KINDS } from '@ryo-faas/runtime/protocol'
import { Schedule } from './schedule.ts'

/** Kinds of document events a trigger can ask for. */
export const EventKind = z.enum(DOCUMENT_EVENT_KINDS)

export const DocumentTrigger = z.strictObject({
  kind: z.literal('document').optional().describe('Document changes in the store; the default.'),
  table: z.string().min(1).describe('The table whose documents are watched.'),
  events: z.array(EventKind).min(1).describe('The kinds of changes that start the function.'),
  ids: z.array(z.string()).min(1).optional().describe('Only these documents; default: all.'),
})
export type DocumentTrigger = z.infer<typeof DocumentTrigger>

const EventName = z
  .string()
  .min(1)
  .max(1_024)
  .regex(/^[^*]*\*?$/, 'must have its "*" at the end')

export const EventTrigger = z.strictObject({
  kind: z.literal('event').describe('CloudEvents that functions publish, or that others post to /events.'),
  type: EventName.describe(
    'The type of the events, such as "com.example.order.paid"; a final "*" stands for any text.',
  ),
  source: EventName.optional().describe('Their source, with a final "*" as for type; default: any.'),
})
export type EventTrigger = z.infer<typeof EventTrigger>

/** One element of `on`. Without a kind it is a document trigger, as all were before there were kinds. */
export const Trigger = z.discriminatedUnion('kind', [DocumentTrigger, EventTrigger])
export type Trigger = z.infer<typeof Trigger>
export type TriggerKind = NonNullable<Trigger['kind']>

export const TRIGGER_KINDS = ['document', 'event'] as const satisfies TriggerKind[]

/** The first document event that a trigger sees: by its sequence in the store's log, or by when the bus got it. */
export const StartFrom = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('sequence'), sequence: z.int().min(0) }),
  z.strictObject({ kind: z.literal('time'), time: z.iso.datetime() }),
])
export type StartFrom = z.infer<typeof StartFrom>

export const TriggerStart = z.strictObject({
  /** The start with the greatest epoch counts; use milliseconds since 1970. */
  epoch: z.int().min(0),
  from: StartFrom,
})
export type TriggerStart = z.infer<typeof TriggerStart>

const TriggerPlace = {
  /** Names the handler within its deployment. */
  key: z.string(),
  start: TriggerStart,
}

/** A handler with its trigger, and where that starts. */
export const TriggerView = z.discriminatedUnion('kind', [
  z.object({ ...TriggerPlace, kind: z.literal('document').optional(), filters: z.array(DocumentTrigger) }),
  z.object({ ...TriggerPlace, kind: z.literal('event'), filters: z.array(EventTrigger) }),
  z.object({
    ...TriggerPlace,
    kind: z.literal('schedule'),
    schedule: Schedule,
    /** Its name, or its times as the user wrote them. */
    label: z.string(),
    /** It is an event for `scheduled` of a Worker, not a request. */
    isEvent: z.literal(true).optional(),
    isPaused: z.boolean().optional(),
    /** When it runs next: ISO. */
    nextAt: z.string().optional(),
  }),
])
export type TriggerView = z.infer<typeof TriggerView>
/** With a source in the dispatcher. */
export type TriggerSourceKind = NonNullable<TriggerView['kind']>
