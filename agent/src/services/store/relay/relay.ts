/**
 * Carries the log to the stream of events, one message for each event, in order.
 *
 * Invariants: 1. the stream itself says how far we are: it is asked after every connection and every failure, so nothing
 * is lost or sent twice whatever crashed. 2. each message names the place that it must get in the stream, so one that is
 * late, repeated or ahead of a lost one is refused. 3. what is in flight is bounded, and nothing else is held.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { EVENT_SUBJECTS, STREAMS, type Bus, type BusError } from '../../../bus/index.ts'
import type { LogEntry } from '../engine/index.ts'
import { messageOf, sequenceOfMessage } from './relay-message.ts'

/** How far the log was carried. */
export interface RelayPosition {
  /** Sequence of the last event that the stream holds. */
  sequence: number
  /** Sequence of its message in the stream. */
  streamSequence: number
  /** When the stream was made: another one begins from the start. */
  streamCreated: string
}

/** `full`: the stream takes no more; `away`: it does not answer. */
export type RelayState = 'connecting' | 'running' | 'full' | 'away'

export interface RelayLog {
  read(options: { from: number; limit: number }): LogEntry[]
  /** Sequence of the last event. */
  last(): number
}

export interface RelayOptions {
  bus: Bus
  log: RelayLog
  epoch: string
  /** The last that was reported, perhaps long ago. */
  saved: RelayPosition | undefined
  onPosition: (position: RelayPosition) => void
  onState: (state: RelayState, problem?: string) => void
  /** The stream has all that the log had when it was last read. */
  onIdle: (through: number) => void
}

const MOST_IN_FLIGHT = 256
const MOST_BYTES_IN_FLIGHT = 8 * 1024 * 1024
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5_000
/** Expected sequence of the last message of the stream (NATS ADR-8 of JetStream's publish headers). */
const EXPECTED_LAST = 'Nats-Expected-Last-Sequence'

export class Relay {
  private readonly options: RelayOptions
  private readonly stopping = new AbortController()
  private readonly running: Promise<void>
  private position: RelayPosition | undefined
  private woken: (() => void) | undefined
  private hasNews = true

  constructor(options: RelayOptions) {
    this.options = options
    this.position = options.saved
    this.running = this.run()
  }

  /** There is something new in the log. */
  wake(): void {
    this.hasNews = true
    this.woken?.()
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    this.stopping.abort()
    this.wake()
    await this.running
  }

  private async run(): Promise<void> {
    const forget = this.options.bus.onReconnect(() => this.woken?.())
    let pauseMs = FIRST_PAUSE_MS
    while (!this.stopping.signal.aborted) {
      try {
        const place = await this.findPlace()
        this.moved(place)
        this.options.onState('running')
        await this.publishFrom(place, () => (pauseMs = FIRST_PAUSE_MS))
      } catch (error) {
        const { code, message } = error as BusError
        this.options.onState(code === 'FULL' ? 'full' : 'away', message)
        await this.pause(pauseMs)
        pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
      }
    }
    forget()
  }

  /** @throws BusError */
  private async findPlace(): Promise<RelayPosition> {
    const { bus, epoch } = this.options
    const { created, state } = await bus.ask(manager => manager.streams.info(STREAMS.events))
    const streamSequence = state.last_seq
    const known = this.position
    const isSameStream = known !== undefined && known.streamCreated === created
    let sequence = known?.sequence ?? 0
    const last = state.messages === 0 ? undefined : await this.lastMessage(epoch)
    // Every message is one event, so what was taken out of the stream since is counted too.
    if (last !== undefined) sequence = last.sequence + (streamSequence - last.streamSequence)
    else if (isSameStream && state.messages === 0) sequence = known.sequence + (streamSequence - known.streamSequence)
    return { sequence: Math.min(sequence, this.options.log.last()), streamSequence, streamCreated: String(created) }
  }

  /** The last event of this log in the stream, unless another log has written after it. */
  private async lastMessage(epoch: string): Promise<{ sequence: number; streamSequence: number } | undefined> {
    const message = await this.options.bus.ask(manager =>
      manager.direct.getMessage(STREAMS.events, { last_by_subj: EVENT_SUBJECTS }),
    )
    const sequence = sequenceOfMessage(message.header.get('Nats-Msg-Id'), epoch)
    return sequence === undefined ? undefined : { sequence, streamSequence: message.seq }
  }

  /** Until it is stopped. @throws the first BusError, once nothing is in flight any more */
  private async publishFrom(place: RelayPosition, onAck: () => void): Promise<void> {
    const { log, onIdle, epoch } = this.options
    let { sequence: sent, streamSequence: expected } = place
    let failure: unknown
    let bytes = 0
    const inFlight = new Set<Promise<void>>()
    const publish = (entry: LogEntry) => {
      const message = messageOf(entry, epoch)
      const ours = { sequence: entry.sequence, streamSequence: expected + 1, streamCreated: place.streamCreated }
      bytes += message.data.length
      const acknowledged = this.publish(message, expected).then(
        () => {
          if (failure === undefined) this.moved(ours)
          onAck()
        },
        (error: unknown) => void (failure ??= error),
      )
      const done: Promise<void> = acknowledged.finally(() => {
        bytes -= message.data.length
        inFlight.delete(done)
        this.woken?.()
      })
      inFlight.add(done)
      sent = entry.sequence
      expected += 1
    }
    while (failure === undefined && !this.stopping.signal.aborted) {
      this.hasNews = false
      const limit = bytes < MOST_BYTES_IN_FLIGHT ? MOST_IN_FLIGHT - inFlight.size : 0
      const entries = limit > 0 ? log.read({ from: sent + 1, limit }) : []
      for (const entry of entries) {
        if (bytes >= MOST_BYTES_IN_FLIGHT) break
        publish(entry)
      }
      if (entries.length === 0 && inFlight.size === 0) onIdle(sent)
      if (!this.hasNews) await this.news()
    }
    await Promise.all(inFlight)
    if (failure !== undefined) throw failure as BusError
  }

  private async publish({ subject, data, messageId, headers }: ReturnType<typeof messageOf>, expected: number) {
    const ack = await this.options.bus.publish(subject, data, {
      messageId,
      headers: { ...headers, [EXPECTED_LAST]: String(expected) },
    })
    if (ack.sequence !== expected + 1) throw new Error(`message ${messageId} is in another place of the stream already`)
  }

  private moved(position: RelayPosition): void {
    this.position = position
    this.options.onPosition(position)
  }

  private news(): Promise<void> {
    return new Promise(resolve => {
      this.woken = () => {
        this.woken = undefined
        resolve()
      }
    })
  }

  /** A reconnect ends it early. */
  private async pause(ms: number): Promise<void> {
    const ending = new AbortController()
    const { signal } = ending
    await Promise.race([this.news(), delay(ms, undefined, { signal }).catch(() => undefined)])
    this.woken = undefined
    ending.abort()
  }
}
