/**
 * Triggers on events that functions publish and others post: read from their stream, in order.
 *
 * Invariants: 1. The events of one source and subject are one lane; those without a subject run in parallel. 2. The
 * depth of a chain is what the proxy wrote beside the event: nothing in the event itself is believed.
 */
import { HEADERS, isEventLike, type CloudEvent } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { signDepth } from '../../../../access/index.ts'
import {
  DEPTH_HEADER,
  OrderedReader,
  publishedSubject,
  publishedSubjects,
  STREAMS,
  type StreamDelivery,
} from '../../../../bus/index.ts'
import { EventTrigger, type CallError } from '../../../../contract/index.ts'
import {
  UnreadableEventError,
  type Checkpoint,
  type RunningSource,
  type SourceDependencies,
  type Subscription,
  type TriggerEvent,
  type TriggerSink,
  type TriggerSource,
} from '../source.ts'
import { lastBeforeTime } from '../stream-position.ts'

const EventSpec = z.strictObject({
  /** The events that any of these is for. */
  filters: z.array(EventTrigger).min(1),
})
type EventSpec = z.infer<typeof EventSpec>

export class EventSource implements TriggerSource<EventSpec> {
  readonly faasTrigger = 'pubsub'
  readonly stream = STREAMS.published
  readonly Spec = EventSpec
  readonly #dependencies: SourceDependencies

  constructor(dependencies: SourceDependencies) {
    this.#dependencies = dependencies
  }

  begin({ from }: Subscription<EventSpec>): Promise<number> {
    if (from.kind === 'sequence') return Promise.resolve(Math.max(0, from.sequence - 1))
    return lastBeforeTime(this.#dependencies.bus, STREAMS.published, Date.parse(from.time))
  }

  start({ spec, functionName }: Subscription<EventSpec>, { sequence }: Checkpoint, sink: TriggerSink): RunningSource {
    const { filters } = spec
    const reader = new OrderedReader(this.#dependencies.bus, {
      stream: STREAMS.published,
      name: 'trigger',
      filters: subjectsFor(filters),
      after: sequence,
      slots: () => sink.slots(),
      onMessage: message => {
        const event = eventIn(message)
        // What cannot be read is offered, so that it is reported.
        if (event !== undefined && !filters.some(filter => isEventLike(filter, event))) return
        sink.offer({
          sequence: message.sequence,
          lane: laneOf(message, event),
          event: async () => this.#event(message, { event, functionName }),
        })
      },
      onRefused: reason => sink.refused(reason),
    })
    reader.start()
    return reader
  }

  #event(
    message: StreamDelivery,
    { event, functionName }: { event: CloudEvent | undefined; functionName: string },
  ): TriggerEvent {
    if (event === undefined) {
      throw new UnreadableEventError(`a message on ${message.subject} is not an event; it was skipped`)
    }
    const { access, eventDepthLimit } = this.#dependencies.options
    const depth = Number(message.header(DEPTH_HEADER) ?? 0)
    const { traceparent, tracestate } = event
    return {
      id: String(message.sequence),
      time: new Date(message.storedAtMs).toISOString(),
      body: message.data,
      // What the function does next has one more event in its chain.
      headers: [[HEADERS.eventDepth, signDepth(access.functions, depth + 1)]],
      ...(typeof traceparent === 'string' && { traceparent }),
      ...(typeof tracestate === 'string' && { tracestate }),
      refusal: depth > eventDepthLimit ? loop(event, { depth, functionName }) : undefined,
    }
  }
}

function loop({ type, id }: CloudEvent, { depth, functionName }: { depth: number; functionName: string }): CallError {
  const message =
    `The event ${id} (${type}) was published at the end of a chain of ${depth} events, each caused by the one ` +
    `before: ${functionName} seems to trigger itself. It is not run for this event.`
  return { code: 'EVENT_LOOP', message }
}

/** For the server, which refuses overlaps; it may send more than is wanted. */
function subjectsFor(filters: EventTrigger[]): string[] {
  const subjects = filters.map(({ type }) =>
    type.endsWith('*') ? publishedSubjects(type.slice(0, -1)) : publishedSubject(type),
  )
  const wide = subjects.filter(subject => subject.endsWith('>'))
  const isCovered = (subject: string) => wide.some(each => each !== subject && subject.startsWith(each.slice(0, -1)))
  return [...new Set(subjects)].filter(subject => !isCovered(subject))
}

function laneOf({ sequence }: StreamDelivery, event: CloudEvent | undefined): string {
  return event?.subject === undefined ? `#${sequence}` : JSON.stringify([event.source, event.subject])
}

function eventIn({ data }: StreamDelivery): CloudEvent | undefined {
  try {
    const event = JSON.parse(Buffer.from(data).toString('utf8')) as CloudEvent
    return typeof event.type === 'string' && typeof event.source === 'string' ? event : undefined
  } catch {
    return undefined
  }
}
