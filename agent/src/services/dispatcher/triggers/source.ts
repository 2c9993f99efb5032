/**
 * Where events come from that set functions off: the seam between a trigger's source and what the dispatcher does with
 * its events, which is the same for every kind: run each as a call, keep the place.
 *
 * A source holds to `testing/trigger-source-contract.ts`: 1. occurrences are offered in the order of their sequence, each
 * once for every start. 2. started from a checkpoint, it offers all that lie behind it and none that do not. 3. it offers
 * no more than the sink has slots for, and goes on after `wake`. 4. an event that is offered again has the same id. 5.
 * after `stop` nothing is offered.
 */
import type { z } from 'zod'
import type { Bus } from '../../../bus/index.ts'
import type { FaasTrigger } from '../../../calls/index.ts'
import type { CallError, StartFrom } from '../../../contract/index.ts'
import type { DispatcherOptions } from '../options.ts'

export interface TriggerSource<Spec = unknown> {
  /** What metrics and spans of its calls say. */
  readonly faasTrigger: FaasTrigger
  /** What is said of a trigger besides its key and its start. */
  readonly Spec: z.ZodType<Spec>
  /**
   * Where a subscription begins that has no checkpoint.
   * @returns a sequence behind which lies everything that it wants.
   * @throws BusError
   */
  begin(subscription: Subscription<Spec>): Promise<number>
  start(subscription: Subscription<Spec>, checkpoint: Checkpoint, sink: TriggerSink): RunningSource
  /**
   * For a source whose sequences are those of the stream of document events: up to which of them a trigger needs nothing
   * any more. A source without this never holds up the trimming of that stream.
   * @param checkpoint undefined for a trigger that has not begun yet
   */
  retains?(checkpoint: Checkpoint | undefined): number
}

export interface Subscription<Spec> {
  spec: Spec
  from: StartFrom
  /** As the user wrote it, for messages. */
  functionName: string
}

export interface Checkpoint {
  /** Which start of the subscription this follows from: a replay makes new calls. */
  epoch: number
  /** All up to there is done. What is counted is up to the source. */
  sequence: number
}

export interface RunningSource {
  /** Slots have become free. */
  wake(): void
  /**
   * How many occurrences were not offered yet; undefined if that is not known now.
   * @throws BusError
   */
  pending(): Promise<number | undefined>
  /**
   * Sequence up to which there is nothing that was not offered: the checkpoint moves there while nothing is under way.
   * @throws BusError
   */
  seenUpTo?(): Promise<number>
  stop(): Promise<void>
}

export interface TriggerSink {
  /** How many more may be offered now, and how many at most ever. */
  slots(): { free: number; all: number }
  offer(occurrence: Occurrence): void
  /** It cannot offer anything for now. */
  refused(reason: string): void
}

export interface Occurrence {
  /** Greater than that of every one before. */
  sequence: number
  /** Occurrences of a lane run one after the other, lanes side by side. */
  lane: string
  /**
   * Asked for when its turn has come, again for each attempt.
   * @throws UnreadableEventError; any other error if it is to be tried again
   */
  event(signal: AbortSignal): Promise<TriggerEvent>
}

export interface TriggerEvent {
  /** Names it within its trigger and epoch: what comes again is known by it. */
  id: string
  /** When it happened: ISO. */
  time: string
  /** A CloudEvent in structured JSON. */
  body: Uint8Array
  /** Beyond `content-type`. */
  headers?: [string, string][]
  traceparent?: string | undefined
  tracestate?: string | undefined
  /** Why it must not be run. */
  refusal?: CallError | undefined
}

/** It will never be readable. */
export class UnreadableEventError extends Error {}

export interface SourceDependencies {
  bus: Bus
  options: Pick<DispatcherOptions, 'storeUrl' | 'access' | 'eventDepthLimit'>
}

export type SourceFactory = (dependencies: SourceDependencies) => TriggerSource

/** By kind. */
export type TriggerSources = Readonly<Record<string, SourceFactory>>
