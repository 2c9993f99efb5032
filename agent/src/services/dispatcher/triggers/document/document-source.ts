/**
 * Triggers on changes of documents: read from the stream of events, in order.
 *
 * Invariants: 1. The changes of one document are one lane. 2. Messages are in memory; of events that were too long for
 * one, only running ones.
 */
import { HEADERS, type DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { signDepth } from '../../../../access/index.ts'
import { OrderedReader, STREAMS, type StreamDelivery } from '../../../../bus/index.ts'
import { DocumentTrigger, type CallError } from '../../../../contract/index.ts'
import type {
  Checkpoint,
  RunningSource,
  SourceDependencies,
  Subscription,
  TriggerEvent,
  TriggerSink,
  TriggerSource,
} from '../source.ts'
import { EventFilter } from './event-filter.ts'
import { readEvent } from './event-message.ts'
import { startOf } from './start-position.ts'

const DocumentSpec = z.strictObject({
  /** The events of any of these. */
  filters: z.array(DocumentTrigger.extend({ ids: z.array(z.string().min(1)).min(1).optional() })).min(1),
})
type DocumentSpec = z.infer<typeof DocumentSpec>

export class DocumentSource implements TriggerSource<DocumentSpec> {
  readonly faasTrigger = 'datasource'
  readonly stream = STREAMS.events
  readonly Spec = DocumentSpec
  readonly #dependencies: SourceDependencies

  constructor(dependencies: SourceDependencies) {
    this.#dependencies = dependencies
  }

  begin({ from }: Subscription<DocumentSpec>): Promise<number> {
    return startOf(this.#dependencies.bus, from)
  }

  start(subscription: Subscription<DocumentSpec>, { sequence }: Checkpoint, sink: TriggerSink): RunningSource {
    const filter = new EventFilter(subscription.spec.filters, subscription.from)
    const reader = new OrderedReader(this.#dependencies.bus, {
      stream: STREAMS.events,
      name: 'trigger',
      filters: filter.subjects,
      after: sequence,
      slots: () => sink.slots(),
      onMessage: message => {
        if (!filter.wants(message)) return
        sink.offer({
          sequence: message.sequence,
          lane: documentOf(message),
          event: signal => this.#event(message, subscription.functionName, signal),
        })
      },
      onRefused: reason => sink.refused(reason),
    })
    reader.start()
    return reader
  }

  async #event(message: StreamDelivery, functionName: string, signal: AbortSignal): Promise<TriggerEvent> {
    const { options } = this.#dependencies
    const { event, body } = await readEvent(message, options, signal)
    const { sequence, time, traceparent, tracestate, baggage, eventdepth } = event
    // What the function does next has one more event in its chain.
    const headers: [string, string][] = [[HEADERS.eventDepth, signDepth(options.access.functions, eventdepth + 1)]]
    if (baggage !== undefined) headers.push(['baggage', baggage])
    const refusal = this.#refusalOf(event, functionName)
    return { id: sequence, time, body, headers, traceparent, tracestate, refusal }
  }

  #refusalOf({ eventdepth, data }: DocumentCloudEvent, functionName: string): CallError | undefined {
    if (eventdepth <= this.#dependencies.options.eventDepthLimit) return undefined
    const message =
      `${data.table}/${data.id} was written at the end of a chain of ${eventdepth} document events, ` +
      `each caused by the one before: ${functionName} seems to trigger itself. It is not run for this event.`
    return { code: 'EVENT_LOOP', message }
  }
}

/** Table and id, as in the subject after the kind. */
function documentOf({ subject }: StreamDelivery): string {
  return subject.split('.').slice(3).join('.')
}
