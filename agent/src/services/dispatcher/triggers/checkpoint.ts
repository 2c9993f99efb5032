/**
 * How far a trigger has come in the stream of events, kept on the bus.
 *
 * Why not a durable consumer with acknowledgements: after a crash its server hands out new events before it hands out
 * those again that were under way, and the changes of a document would be seen out of order.
 *
 * Invariants: 1. everything up to `sequence` is done. 2. a position is written only over the one this process wrote or
 * read (expected sequence): who was replaced finds out and stops. 3. a later epoch starts over.
 */
import { z } from 'zod'
import { BusError, lastMessage, STREAMS, triggerSubject, type Bus } from '../../../bus/index.ts'
import type { TriggerStart } from '../../../contract/index.ts'
import { startOf } from './start-position.ts'

const Position = z.object({ epoch: z.int(), sequence: z.int().min(0) })
export type Position = z.infer<typeof Position>

/** Another process has the trigger. */
export class CursorLostError extends Error {}

export class Cursor {
  private readonly bus: Bus
  private readonly subject: string
  private revision: number
  private position: Position

  private constructor(bus: Bus, of: { subject: string; revision: number; position: Position }) {
    this.bus = bus
    this.subject = of.subject
    this.revision = of.revision
    this.position = of.position
  }

  /**
   * Goes on where the trigger was, or begins where it is to.
   * @param trigger `<route>.<key>`
   * @throws BusError
   */
  static async open(bus: Bus, trigger: string, start: TriggerStart): Promise<Cursor> {
    const subject = triggerSubject(trigger)
    for (;;) {
      const stored = await readPosition(bus, trigger)
      const isKnown = stored !== undefined && stored.position.epoch >= start.epoch
      const position = isKnown ? stored.position : { epoch: start.epoch, sequence: await startOf(bus, start.from) }
      const cursor = new Cursor(bus, { subject, position, revision: stored?.revision ?? 0 })
      try {
        // Written even if it is the same: from here on nobody else can.
        await cursor.write(position)
        return cursor
      } catch (error) {
        if (!(error instanceof CursorLostError)) throw error
      }
    }
  }

  get epoch(): number {
    return this.position.epoch
  }

  get sequence(): number {
    return this.position.sequence
  }

  /**
   * Everything up to `sequence` is done.
   * @throws CursorLostError, BusError
   */
  async moveTo(sequence: number): Promise<void> {
    if (sequence > this.position.sequence) await this.write({ ...this.position, sequence })
  }

  private async write(position: Position): Promise<void> {
    const text = JSON.stringify(position)
    try {
      const ack = await this.bus.publish(this.subject, Buffer.from(text), { lastSubjectSequence: this.revision })
      this.revision = ack.sequence
    } catch (error) {
      if (!(error instanceof BusError) || error.code !== 'CONFLICT') throw error
      // Ours, if only the acknowledgement was lost.
      const stored = await lastMessage(this.bus, STREAMS.triggers, this.subject)
      if (stored?.data.toString() !== text) throw new CursorLostError(`${this.subject} was written by another`)
      this.revision = stored.sequence
    }
    this.position = position
  }
}

/** @throws BusError UNAVAILABLE */
export async function readPosition(
  bus: Bus,
  trigger: string,
): Promise<{ position: Position; revision: number } | undefined> {
  const message = await lastMessage(bus, STREAMS.triggers, triggerSubject(trigger))
  return message && { position: Position.parse(JSON.parse(message.data.toString())), revision: message.sequence }
}
