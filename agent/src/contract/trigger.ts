/**
 * What starts a function besides a call, by kind. A kind is one schema here, one source in the dispatcher
 * (`services/dispatcher/triggers/registry.ts`), and a line in `deployments/subscriptions.ts`.
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

const SecretName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be the name of a secret')
const NatsName = z.string().regex(/^[^\s.*>/\\]{1,100}$/, 'must be a name without spaces, ".", "*", ">" and slashes')

export const NatsTrigger = z
  .strictObject({
    kind: z.literal('nats').describe('Messages of a NATS server of your own.'),
    server: z
      .string()
      .regex(
        /^(?:(?:nats|tls):\/\/[^\s@]+|[A-Za-z_][A-Za-z0-9_]*)$/,
        'must be a URL such as nats://host:4222, or the name of a secret with one, which may have user and password',
      )
      .describe(
        'Where it is: nats://host:4222, or tls://…, several separated by commas; or the name of a secret with such a URL, which may have user and password, or a token, in front of "@".',
      ),
    subject: z
      .string()
      .max(500)
      .regex(/^(?:[^\s.*>]+|\*)(?:\.(?:[^\s.*>]+|\*))*(?:\.>)?$|^>$/, 'must be a subject, such as "orders.>"')
      .describe('The subjects of the messages: "orders.created", "orders.*", "orders.>".'),
    durable: NatsName.optional().describe(
      'The durable consumer of JetStream that keeps the place; made if it is not there. Each message at least once.',
    ),
    deliver: z
      .enum(['new', 'all'])
      .optional()
      .describe('Where a durable consumer that is made begins: what comes from now on (default), or all there is.'),
    queue: NatsName.optional().describe('Without durable: the queue group that shares the messages. At most once.'),
    credentials: SecretName.optional().describe('Name of a secret with the contents of a .creds file.'),
    tls: z
      .strictObject({
        ca: SecretName.describe('Certificates of authorities to trust (PEM).'),
        cert: SecretName.describe('Our certificate (PEM).'),
        key: SecretName.describe('Its key (PEM).'),
      })
      .partial()
      .optional()
      .describe('Names of secrets for TLS, which is used if there is any of them, or a URL begins with tls://.'),
  })
  .refine(({ durable, queue }) => durable === undefined || queue === undefined, {
    message: 'must not be there with "durable": all who use one durable consumer share its messages',
    path: ['queue'],
  })
  .refine(({ durable, deliver }) => durable !== undefined || deliver === undefined, {
    message: 'must have "durable" next to it: without one, only what comes from now on is seen',
    path: ['deliver'],
  })
export type NatsTrigger = z.infer<typeof NatsTrigger>

/** One element of `on`. Without a kind it is a document trigger, as all were before there were kinds. */
export const Trigger = z.discriminatedUnion('kind', [DocumentTrigger, EventTrigger, NatsTrigger])
export type Trigger = z.infer<typeof Trigger>
export type TriggerKind = NonNullable<Trigger['kind']>

export const TRIGGER_KINDS = ['document', 'event', 'nats'] as const satisfies TriggerKind[]

/** What a handler must take: a change of a document, or any event as a whole. */
export type HandledEvents = 'document' | 'event'

const HANDLED: Readonly<Record<TriggerKind, HandledEvents>> = { document: 'document', event: 'event', nats: 'event' }

export function handledBy({ kind = 'document' }: Trigger): HandledEvents {
  return HANDLED[kind]
}

/** Names of the secrets that a trigger needs. */
export function triggerSecrets(trigger: Trigger): string[] {
  if (trigger.kind !== 'nats') return []
  const { server, credentials, tls = {} } = trigger
  return [...(server.includes('://') ? [] : [server]), ...[credentials, tls.ca, tls.cert, tls.key].filter(isName)]
}

function isName(name: string | undefined): name is string {
  return name !== undefined
}

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

/** A schedule in the list of all. */
export const ScheduleLine = z.object({
  /** The deployment's. */
  name: z.string(),
  key: z.string(),
  label: z.string(),
  isPaused: z.boolean().optional(),
  /** When it runs next: ISO. */
  nextAt: z.string().optional(),
})
export type ScheduleLine = z.infer<typeof ScheduleLine>

/** A handler with its trigger, and where that starts. */
export const TriggerView = z.discriminatedUnion('kind', [
  z.object({ ...TriggerPlace, kind: z.literal('document').optional(), filters: z.array(DocumentTrigger) }),
  z.object({ ...TriggerPlace, kind: z.literal('event'), filters: z.array(EventTrigger) }),
  z.object({ ...TriggerPlace, kind: z.literal('nats'), filters: z.array(NatsTrigger) }),
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
