/**
 * Relays the log to the stream of events, one message for each event, in order.
 *
 * Invariants: 1. The stream is asked for our position after every connection and every failure, so nothing is lost or
 * sent twice whatever crashed. 2. Each message names its expected place in the stream, so one that is late, repeated or
 * ahead of a lost one is refused. 3. What is in flight is bounded, and nothing else is held. 4. A stream that ends before
 * what it has acknowledged is waited for: in a cluster, a server may be asked that is behind.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { DocumentCloudEvent } from '@ryo-faas/runtime/protocol'
import {
  BusError,
  EVENT_HEADERS,
  EVENT_SUBJECTS,
  eventSubject,
  lastMessage,
  STREAMS,
  streamState,
  type Bus,
} from '../../../bus/index.ts'
import { backoffMs } from '../../../host/index.ts'
import type { ChangeLog, LogEntry } from '../documents/index.ts'

/** How far the log was carried. */
export interface RelayPosition {
  /** Sequence of the last event that the stream holds. */
  sequence: number
  /** Sequence of its message in the stream. */
  streamSequence: number
  /** When the stream was made: another one begins from the start. */
  streamCreated: string
}

/** `full`: the stream is full; `away`: it is not responding. */
export type RelayState = 'connecting' | 'running' | 'full' | 'away'

export interface RelayOptions {
  bus: Bus
  log: ChangeLog
  epoch: string
  /** The last that was reported, perhaps long ago. */
  saved: RelayPosition | undefined
  onPosition: (position: RelayPosition) => void
  /** How long invariant 4 waits; what is missing then is lost, and sent again. Default 10 s. */
  behindMs?: number
  onState: (state: RelayState, problem?: string) => void
}

const MOST_IN_FLIGHT = 256
const MOST_BYTES_IN_FLIGHT = 8 * 1024 * 1024
const BEHIND_MS = 10_000
const PAUSE = { firstMs: 100, mostMs: 5_000 }
/** Expected sequence of the last message of the stream (NATS ADR-8 of JetStream's publish headers). */
const EXPECTED_LAST = 'Nats-Expected-Last-Sequence'
/** Room for subject and headers within the server's limit of 1 MiB for a message, and some more for the client. */
const INLINE_BYTES = 700 * 1024
const NOTHING = Buffer.alloc(0)

export class Relay {
  readonly #options: RelayOptions
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>
  #position: RelayPosition | undefined
  #behindSince: number | undefined
  #reconnected = new AbortController()

  constructor(options: RelayOptions) {
    this.#options = options
    this.#position = options.saved
    this.#running = this.#run()
  }

  /** Waits for what is in flight. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { bus, onState } = this.#options
    const { signal } = this.#stopping
    const forget = bus.onReconnect(() => this.#reconnected.abort())
    let failures = 0
    while (!signal.aborted) {
      try {
        const place = await this.#findPlace()
        this.#moved(place)
        onState('running')
        await this.#publishFrom(place, () => (failures = 0))
      } catch (error) {
        const { code, message } = error as BusError
        onState(code === 'FULL' ? 'full' : 'away', message)
        failures += 1
        await this.#pause(backoffMs(PAUSE, failures))
      }
    }
    forget()
  }

  /** @throws BusError */
  async #findPlace(): Promise<RelayPosition> {
    const { bus, epoch, log } = this.#options
    const { created, messages, lastSequence: streamSequence } = await streamState(bus, STREAMS.events)
    const known = this.#position
    const isSameStream = known !== undefined && known.streamCreated === created
    if (isSameStream) this.#waitFor(known.streamSequence, streamSequence)
    let sequence = known?.sequence ?? 0
    const last = messages === 0 ? undefined : await this.#lastMessage(epoch)
    // Every message is one event, so what was taken out of the stream since is counted too.
    if (last !== undefined) sequence = last.sequence + (streamSequence - last.streamSequence)
    else if (isSameStream && messages === 0) sequence = known.sequence + (streamSequence - known.streamSequence)
    const { last: end } = await log.logBounds()
    return { sequence: Math.min(sequence, end), streamSequence, streamCreated: created }
  }

  /** Invariant 4. @throws BusError UNAVAILABLE */
  #waitFor(acknowledged: number, last: number): void {
    if (last >= acknowledged) {
      this.#behindSince = undefined
      return
    }
    const now = performance.now()
    this.#behindSince ??= now
    if (now - this.#behindSince > (this.#options.behindMs ?? BEHIND_MS)) return
    throw new BusError('UNAVAILABLE', `the stream of events ends at ${last}, and has acknowledged ${acknowledged}`)
  }

  /** The last event of this log in the stream, unless another log has written after it. */
  async #lastMessage(epoch: string): Promise<{ sequence: number; streamSequence: number } | undefined> {
    const message = await lastMessage(this.#options.bus, STREAMS.events, EVENT_SUBJECTS)
    if (message === undefined) throw new BusError('UNAVAILABLE', 'the stream was emptied while it was asked')
    const sequence = sequenceOfMessage(message.header('Nats-Msg-Id') ?? '', epoch)
    return sequence === undefined ? undefined : { sequence, streamSequence: message.sequence }
  }

  /** Until it is stopped. @throws the first BusError, once nothing is in flight */
  async #publishFrom(place: RelayPosition, onAck: () => void): Promise<void> {
    const { log, epoch } = this.#options
    const failed = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, failed.signal])
    const inFlight = new Set<Promise<void>>()
    const turn = randomBytes(6).toString('base64url')
    let expected = place.streamSequence
    let bytes = 0
    const publish = (entry: LogEntry) => {
      const message = messageOf(entry, { epoch, turn })
      const ours = { sequence: entry.sequence, streamSequence: expected + 1, streamCreated: place.streamCreated }
      bytes += message.data.length
      const acknowledged = this.#publish(message, expected).then(
        () => {
          if (!failed.signal.aborted) this.#moved(ours)
          onAck()
        },
        (error: unknown) => failed.abort(error),
      )
      const done: Promise<void> = acknowledged.finally(() => {
        bytes -= message.data.length
        inFlight.delete(done)
      })
      inFlight.add(done)
      expected += 1
    }
    try {
      for await (const entries of log.changes({ from: place.sequence + 1, signal })) {
        for (const entry of entries) {
          while (inFlight.size >= MOST_IN_FLIGHT || bytes >= MOST_BYTES_IN_FLIGHT) await Promise.race(inFlight)
          if (signal.aborted) break
          publish(entry)
        }
      }
    } finally {
      await Promise.all(inFlight)
    }
    failed.signal.throwIfAborted()
  }

  async #publish({ subject, data, messageId, headers }: ReturnType<typeof messageOf>, expected: number) {
    const ack = await this.#options.bus.publish(subject, data, {
      messageId,
      headers: { ...headers, [EXPECTED_LAST]: String(expected) },
    })
    if (ack.sequence !== expected + 1)
      throw new Error(`message ${messageId} is at ${ack.sequence} of the stream already, not at ${expected + 1}`)
  }

  #moved(position: RelayPosition): void {
    this.#position = position
    this.#options.onPosition(position)
  }

  /** A reconnect ends it early. */
  async #pause(ms: number): Promise<void> {
    this.#reconnected = new AbortController()
    const signal = AbortSignal.any([this.#stopping.signal, this.#reconnected.signal])
    await delay(ms, undefined, { signal }).catch(() => undefined)
  }
}

/**
 * @param epoch of the log: a log that was started again must not have its events taken for those of the one before
 * @param turn makes ids that were not used before: a server may remember one whose message it has lost, and refuse it
 */
function messageOf({ sequence, text }: LogEntry, { epoch, turn }: { epoch: string; turn: string }) {
  const { kind, table, id } = (JSON.parse(text) as DocumentCloudEvent).data
  const data = Buffer.from(text)
  const isLong = data.length > INLINE_BYTES
  return {
    subject: eventSubject({ kind, table, id }),
    data: isLong ? NOTHING : data,
    messageId: `${epoch}:${sequence}:${turn}`,
    headers: { [EVENT_HEADERS.sequence]: String(sequence), ...(isLong && { [EVENT_HEADERS.isElsewhere]: '1' }) },
  }
}

/** Sequence of the event that a message id stands for; `undefined` if it is of another epoch. */
function sequenceOfMessage(messageId: string, epoch: string): number | undefined {
  const [messageEpoch, sequence] = messageId.split(':')
  return messageEpoch === epoch ? Number(sequence) : undefined
}
