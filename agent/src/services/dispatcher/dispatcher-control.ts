/** What the agent requests from a dispatcher apart from accepting routes. */
import { z } from 'zod'
import { ControlClient } from '../../routes/index.ts'

/** Also the dispatcher's path for it. */
export const QUEUES_PATH = '/queues'

/** A line of `GET /queues`: the asynchronous calls of one function, across all dispatchers. */
export const QueueLine = z.object({
  /** Route. */
  name: z.string(),
  /** Accepted and not final: those that wait, that run, and that are tried again later. */
  calls: z.int().min(0),
  /** Of those, how many no dispatcher has taken yet. */
  waiting: z.int().min(0),
  /** For how long the next of those has waited, in milliseconds; 0 if none does. */
  ageMs: z.number().min(0),
})
export type QueueLine = z.infer<typeof QueueLine>

/** Also the dispatcher's path for it. */
export const CLOCK_PATH = '/clock'

/** The setting of the clock of tests that its schedules have come to; empty without one. */
export const ClockState = z.object({ id: z.int().optional(), serial: z.int().optional() })
export type ClockState = z.infer<typeof ClockState>

export class DispatcherControl extends ControlClient {
  /**
   * A line for each function whose queue is not empty, then one for each that changes, at most twice a second.
   * @param onOpen from now on nothing is missed
   * @throws ControlError if the dispatcher cannot be reached, or dies
   */
  queues(signal: AbortSignal, onOpen?: () => void): AsyncIterable<QueueLine> {
    return this.follow(QUEUES_PATH, { schema: QueueLine, signal, onOpen })
  }

  /** @throws ControlError if the dispatcher cannot be reached */
  clock(): Promise<ClockState> {
    return this.ask(CLOCK_PATH, ClockState)
  }
}
