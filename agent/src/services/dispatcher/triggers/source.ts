/**
 * The source of events for functions: the seam between a trigger's source and what the dispatcher does with
 * its events, which is the same for every kind: run each as a call, save the position.
 *
 * A source keeps to `testing/trigger-source-contract.ts`: 1. Occurrences are offered in the order of their sequence,
 * each once per start. 2. Started from a checkpoint, it offers all occurrences after it and no others. 3. It offers no
 * more than the sink has slots for, and continues after `wake`. 4. An event that is offered again has the same id. 5.
 * After `stop` nothing is offered.
 */
import type { z } from 'zod'
import type { Bus } from '../../../bus/index.ts'
import type { FaasTrigger } from '../../../calls/index.ts'
import type { CallError, StartFrom } from '../../../contract/index.ts'
import type { DispatcherOptions } from '../options.ts'

export interface TriggerSource<Spec = unknown> {
  /** The label of its calls in metrics and spans. */
  readonly faasTrigger: FaasTrigger
  /** The fields of a trigger apart from its key and start. */
  readonly Spec: z.ZodType<Spec>
  /**
   * Where a subscription without a checkpoint starts.
   * @returns a sequence that everything it matches comes after.
   * @throws BusError
   */
  begin(subscription: Subscription<Spec>): Promise<number>
  start(subscription: Subscription<Spec>, checkpoint: Checkpoint, sink: TriggerSink): RunningSource
  /** Names of the secrets that a subscription needs. */
  secretsOf?(spec: Spec): string[]
  /** Call when nothing that it offered is running any more. */
  close?(): Promise<void>
  /**
   * The stream that its sequences count: what a trigger has not seen yet stays there, and everything if it has not
   * started. A source without one never blocks the trimming of a stream.
   */
  readonly stream?: string
}

export interface Subscription<Spec> {
  spec: Spec
  from: StartFrom
  /** As the user wrote it, for messages. */
  functionName: string
  /** The values of `secretsOf` that are set, by name. */
  secrets: Readonly<Record<string, string>>
}

export interface Checkpoint {
  /** The start of the subscription that this belongs to: a replay creates new calls. */
  epoch: number
  /** Everything up to this is done. What it counts is up to the source. */
  sequence: number
}

export interface RunningSource {
  /** Slots have become free. */
  wake(): void
  /**
   * How many occurrences were not offered yet; undefined if currently unknown.
   * @throws BusError
   */
  pending(): Promise<number | undefined>
  /**
   * Sequence up to which everything was offered: the checkpoint moves there while nothing is in flight.
   * @throws BusError
   */
  seenUpTo?(): Promise<number>
  stop(): Promise<void>
}

export interface TriggerSink {
  /** How many more may be offered now, and the limit. */
  slots(): { free: number; all: number }
  offer(occurrence: Occurrence): void
  /** It cannot offer anything for now. */
  refused(reason: string): void
}

export interface Occurrence {
  /** Greater than all before. */
  sequence: number
  /** Occurrences of a lane run one after another, lanes in parallel. */
  lane: string
  /**
   * Called when its turn has come, again for each attempt.
   * @throws UnreadableEventError; any other error to retry
   */
  event(signal: AbortSignal): Promise<TriggerEvent>
  /** Called when its call is final: nobody needs it any more. */
  ended?(): void
}

export interface TriggerEvent {
  /** Unique within its trigger and epoch: identifies repeated events. */
  id: string
  /** When it happened: ISO. */
  time: string
  /** A CloudEvent in structured JSON, or what `request` says. */
  body: Uint8Array
  /** Beyond `content-type`. */
  headers?: [string, string][]
  /** A call of the function, in place of an event for one of its handlers. */
  request?: { path: string; contentType?: string }
  traceparent?: string | undefined
  tracestate?: string | undefined
  /** Why it must not be run. */
  refusal?: CallError | undefined
}

/** The event will never be readable. */
export class UnreadableEventError extends Error {}

export interface SourceDependencies {
  bus: Bus
  options: Pick<DispatcherOptions, 'storeUrl' | 'access' | 'eventDepthLimit'>
  /** Of schedules. */
  clock: Clock
}

/** Time, which tests can set. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /**
   * Runs once, when this time has come, and at the latest a minute late if the clock was set or the machine slept.
   * @returns cancels it
   */
  at(ms: number, run: () => void): () => void
  /** A clock of tests does not go on while this runs, for a while. */
  hold?(running: Promise<void>): void
}

export type SourceFactory = (dependencies: SourceDependencies) => TriggerSource

/** By kind. */
export type TriggerSources = Readonly<Record<string, SourceFactory>>
