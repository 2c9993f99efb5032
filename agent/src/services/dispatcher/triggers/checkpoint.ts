/**
 * A trigger's position, kept on the bus.
 *
 * Why not a durable consumer with acknowledgements: after a crash its server delivers new events before it redelivers
 * those in flight, so the changes of a document would be out of order.
 *
 * Invariants: 1. Everything up to `sequence` is done. 2. A checkpoint is written only over the one this process wrote
 * or read (expected sequence): a process that was replaced finds out and stops. 3. A later epoch starts over. 4. With
 * several agents, a dispatcher of one that led earlier never takes a trigger back from one of a later leader.
 */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { BusError, lastMessage, STREAMS, triggerSubject, type Bus } from '../../../bus/index.ts'
import type { Checkpoint } from './source.ts'

const StoredCheckpoint = z.object({ epoch: z.int(), sequence: z.int().min(0) }) satisfies z.ZodType<Checkpoint>
const StoredTerm = z.object({ term: z.int().default(0) })

/** Another process has the trigger. */
export class TriggerLostError extends Error {}

export class KeptCheckpoint {
  readonly #bus: Bus
  readonly #subject: string
  /** Another process may write the same position: it is told apart by this. */
  readonly #writer = randomUUID()
  readonly #term: number
  #revision: number
  #checkpoint: Checkpoint

  private constructor(bus: Bus, subject: string, read: { revision: number; checkpoint: Checkpoint; term: number }) {
    this.#term = read.term
    this.#bus = bus
    this.#subject = subject
    this.#revision = read.revision
    this.#checkpoint = read.checkpoint
  }

  /**
   * Resumes where the trigger was, or starts where `begin` says.
   * @param trigger its name
   * @throws BusError, what `begin` throws, TriggerLostError if it belongs to a dispatcher of a later term
   */
  static async open(
    bus: Bus,
    trigger: string,
    { epoch, term, begin }: { epoch: number; term: number; begin: () => Promise<number> },
  ): Promise<KeptCheckpoint> {
    for (;;) {
      const stored = await readCheckpoint(bus, trigger)
      if (stored !== undefined && stored.term > term) {
        throw new TriggerLostError(`${trigger} belongs to a dispatcher of another agent, which leads now`)
      }
      const isKnown = stored !== undefined && stored.checkpoint.epoch >= epoch
      const checkpoint = isKnown ? stored.checkpoint : { epoch, sequence: await begin() }
      const revision = stored?.revision ?? 0
      const kept = new KeptCheckpoint(bus, triggerSubject(trigger), { checkpoint, revision, term })
      try {
        // Written even if unchanged: from here on, others cannot.
        await kept.#write(checkpoint)
        return kept
      } catch (error) {
        if (!(error instanceof TriggerLostError)) throw error
      }
    }
  }

  get current(): Checkpoint {
    return this.#checkpoint
  }

  /**
   * Everything up to `sequence` is done.
   * @throws TriggerLostError, BusError
   */
  async moveTo(sequence: number): Promise<void> {
    if (sequence > this.#checkpoint.sequence) await this.#write({ ...this.#checkpoint, sequence })
  }

  async #write(checkpoint: Checkpoint): Promise<void> {
    const term = this.#term > 0 ? { term: this.#term } : {}
    const text = JSON.stringify({ ...checkpoint, ...term, writer: this.#writer })
    try {
      const ack = await this.#bus.publish(this.#subject, Buffer.from(text), { lastSubjectSequence: this.#revision })
      this.#revision = ack.sequence
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
      // Ours, if only the acknowledgement was lost.
      const stored = await lastMessage(this.#bus, STREAMS.triggers, this.#subject)
      if (stored?.data.toString() !== text) throw new TriggerLostError(`${this.#subject} was written by another`)
      this.#revision = stored.sequence
    }
    this.#checkpoint = checkpoint
  }
}

/** @throws BusError UNAVAILABLE */
export async function readCheckpoint(
  bus: Bus,
  trigger: string,
): Promise<{ checkpoint: Checkpoint; revision: number; term: number } | undefined> {
  const message = await lastMessage(bus, STREAMS.triggers, triggerSubject(trigger))
  if (message === undefined) return undefined
  const stored: unknown = JSON.parse(message.data.toString())
  return {
    checkpoint: StoredCheckpoint.parse(stored),
    revision: message.sequence,
    term: StoredTerm.parse(stored).term,
  }
}
