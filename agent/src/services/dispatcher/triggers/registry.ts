/** The kinds of triggers, one line each; the contract's `TriggerView` has their schemas. */
import type { TriggerSourceKind } from '../../../contract/index.ts'
import { DocumentSource } from './document/document-source.ts'
import { EventSource } from './event/event-source.ts'
import { NatsSource } from './nats/nats-source.ts'
import { ScheduleSource } from './schedule/schedule-source.ts'
import type { SourceFactory } from './source.ts'

export const TRIGGER_SOURCES: Readonly<Record<TriggerSourceKind, SourceFactory>> = {
  document: dependencies => new DocumentSource(dependencies),
  event: dependencies => new EventSource(dependencies),
  nats: dependencies => new NatsSource(dependencies),
  schedule: ({ clock }) => new ScheduleSource(clock),
}
