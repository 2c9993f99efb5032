/**
 * Triggers on messages of a NATS server of the user's. Its place is that server's affair: the sequence of an occurrence
 * only counts what this dispatcher has taken.
 *
 * Invariants: 1. Events that name a subject are one lane with all of their source and subject; others run in parallel.
 * 2. A message that cannot be an event is reported, acknowledged and passed over.
 */
import { HEADERS, type CloudEvent } from '@ryo-faas/runtime/protocol'
import { z } from 'zod'
import { signDepth } from '../../../../access/index.ts'
import { streamOfSubject } from '../../../../bus/index.ts'
import { INLINE_BODY_BYTES } from '../../../../calls/index.ts'
import { eventOfMessage, InvalidEventError, MESSAGE_TYPE } from '../../../../cloud-events/index.ts'
import { NatsTrigger, triggerSecrets } from '../../../../contract/index.ts'
import { backoffMs } from '../../../../host/index.ts'
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
import { NatsConnections, serverOf, type Server } from './connections.ts'
import { CoreIntake } from './core-intake.ts'
import { DurableIntake } from './durable-intake.ts'
import type { Intake, IntakeOptions, Taken } from './intake.ts'

const NatsSpec = z.strictObject({
  /** The messages of each of these. */
  filters: z.array(NatsTrigger).min(1),
})
type NatsSpec = z.infer<typeof NatsSpec>

const RETRY = { firstMs: 500, mostMs: 30_000 }

export class NatsSource implements TriggerSource<NatsSpec> {
  readonly faasTrigger = 'pubsub'
  readonly Spec = NatsSpec
  readonly #dependencies: SourceDependencies
  readonly #connections = new NatsConnections()

  constructor(dependencies: SourceDependencies) {
    this.#dependencies = dependencies
  }

  secretsOf({ filters }: NatsSpec): string[] {
    return filters.flatMap(triggerSecrets)
  }

  async begin(): Promise<number> {
    return 0
  }

  start({ spec, from, secrets }: Subscription<NatsSpec>, checkpoint: Checkpoint, sink: TriggerSink): RunningSource {
    let { sequence } = checkpoint
    const time = from.kind === 'time' ? from.time : new Date(checkpoint.epoch).toISOString()
    const feeds = spec.filters.map(
      trigger =>
        new Feed(trigger, {
          ...{ connections: this.#connections, secrets, from: time },
          slots: () => sink.slots(),
          refused: reason => sink.refused(`NATS ${trigger.subject}: ${reason}`),
          take: (message, source) => {
            const read = reading(message, source)
            sink.offer({
              sequence: ++sequence,
              lane: read.kind === 'event' ? laneOf(read.event, sequence) : `#${sequence}`,
              event: async () => {
                message.begun?.()
                return this.#event(message, read)
              },
              ended: () => message.ended?.(),
            })
          },
        }),
    )
    return {
      wake: () => feeds.forEach(feed => feed.wake()),
      pending: async () => {
        const all = await Promise.all(feeds.map(feed => feed.pending()))
        return all.reduce<number>((sum, each) => sum + (each ?? 0), 0)
      },
      stop: async () => void (await Promise.all(feeds.map(feed => feed.stop()))),
    }
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  #event({ id, timeMs }: Taken, read: Reading): TriggerEvent {
    if (read.kind === 'unreadable') throw new UnreadableEventError(read.reason)
    const { event, body } = read
    const { traceparent, tracestate } = event
    return {
      id,
      time: new Date(timeMs).toISOString(),
      body,
      headers: [[HEADERS.eventDepth, signDepth(this.#dependencies.options.access.functions, 1)]],
      ...(typeof traceparent === 'string' && { traceparent }),
      ...(typeof tracestate === 'string' && { tracestate }),
    }
  }
}

type Reading = { kind: 'event'; event: CloudEvent; body: Buffer } | { kind: 'unreadable'; reason: string }

function reading({ id, timeMs, subject, data, headers }: Taken, source: string): Reading {
  try {
    const made = { id, source, time: new Date(timeMs).toISOString() }
    const event = eventOfMessage({ subject, data, headers, made })
    const body = Buffer.from(JSON.stringify(event))
    if (body.length <= INLINE_BODY_BYTES) return { kind: 'event', event, body }
    const reason = `a message on ${subject} has ${body.length} bytes as an event, more than ${INLINE_BODY_BYTES}; it was skipped`
    return { kind: 'unreadable', reason }
  } catch (error) {
    if (!(error instanceof InvalidEventError)) throw error
    return { kind: 'unreadable', reason: `a message on ${subject} was skipped: ${error.message}` }
  }
}

function laneOf({ source, subject, type }: CloudEvent, sequence: number): string {
  const isMade = type === MESSAGE_TYPE
  return subject === undefined || isMade ? `#${sequence}` : JSON.stringify([source, subject])
}

interface FeedOptions extends Omit<IntakeOptions, 'bus' | 'trigger' | 'take'> {
  connections: NatsConnections
  secrets: Readonly<Record<string, string>>
  /** @param source of events that are made of messages */
  take: (message: Taken, source: string) => void
}

/** One subject: connects, as long as it takes, and hands on what comes. */
class Feed {
  readonly #trigger: NatsTrigger
  readonly #options: FeedOptions
  #intake: Intake | undefined
  #release: (() => Promise<void>) | undefined
  #retry: NodeJS.Timeout | undefined
  #failures = 0
  #lastReason = ''
  #isStopped = false

  constructor(trigger: NatsTrigger, options: FeedOptions) {
    this.#trigger = trigger
    this.#options = options
    this.#open()
  }

  wake(): void {
    this.#intake?.wake()
  }

  pending(): Promise<number | undefined> {
    return this.#intake?.pending() ?? Promise.resolve(undefined)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#retry)
    await this.#intake?.stop()
    // What was begun is still to be acknowledged.
    if (this.#intake === undefined) await this.#release?.()
    else void this.#intake.rest().then(this.#release)
  }

  #open(): void {
    try {
      const server = serverOf(this.#trigger, this.#options.secrets)
      const { bus, release } = this.#options.connections.take(server, reason => this.#refused(reason))
      this.#release = release
      void bus.then(
        connected => this.#listen(server, connected),
        () => undefined, // It was stopped before there was a connection.
      )
    } catch (error) {
      // A secret: when it is set, this source is started again.
      this.#refused((error as Error).message)
    }
  }

  async #listen(server: Server, bus: IntakeOptions['bus']): Promise<void> {
    if (this.#isStopped) return
    const { take, ...options } = this.#options
    const { subject, durable } = this.#trigger
    const root = server.url.split(',', 1)[0]!
    const shared = { ...options, bus, trigger: this.#trigger }
    if (durable === undefined) {
      this.#intake = new CoreIntake({ ...shared, take: message => take(message, root) })
      return
    }
    try {
      const stream = await streamOfSubject(bus, subject)
      if (this.#isStopped) return
      this.#intake = new DurableIntake(stream, { ...shared, take: message => take(message, `${root}/${stream}`) })
    } catch (error) {
      if (this.#isStopped) return
      this.#refused((error as Error).message)
      this.#failures += 1
      this.#retry = setTimeout(() => void this.#listen(server, bus), backoffMs(RETRY, this.#failures))
    }
  }

  /** The same reason is told once. */
  #refused(reason: string): void {
    if (reason !== this.#lastReason) this.#options.refused(reason)
    this.#lastReason = reason
  }
}
