/** Messages that were handed to this process. */
import { nanos, type Msg, type MsgHdrs } from 'nats'
import type { BusNames } from './names.ts'

/** A message that is ours until it is acknowledged, given back, or silent for the consumer's `ackWaitMs`. */
export interface Delivery {
  readonly subject: string
  readonly data: Uint8Array
  header(name: string): string | undefined
  /** Counts from 1. */
  readonly count: number
  ack(): void
  /** Gives it back, to be delivered again after `delayMs`. */
  nak(delayMs?: number): void
  /** Tells the server that it is still being worked on. */
  working(): void
}

/** A message as the server delivers it. */
export interface StreamDelivery extends Delivery {
  /** In the stream. */
  readonly sequence: number
  /** The consumer's delivery count, from 1. */
  readonly consumerSequence: number
  /** When it was stored, by the server's clock; milliseconds since 1970. */
  readonly storedAtMs: number
  /** All of them, in lower case. */
  headers(): [name: string, value: string][]
  /** How many of the consumer's messages had not been delivered to anybody at that moment. */
  readonly remaining: number
}

const ACK = Buffer.from('+ACK')
const NAK = Buffer.from('-NAK')
const WORKING = Buffer.from('+WPI')

export class NatsDelivery implements StreamDelivery {
  readonly subject: string
  readonly data: Uint8Array
  readonly count: number
  readonly sequence: number
  readonly consumerSequence: number
  readonly storedAtMs: number
  readonly remaining: number
  readonly #headers: MsgHdrs | undefined
  readonly #message: Msg

  constructor(message: Msg, { ownSubject }: BusNames) {
    this.#message = message
    this.#headers = message.headers
    this.subject = ownSubject(message.subject)
    this.data = message.data
    // $JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<deliveries>.<stream sequence>.… (ADR-15)
    const tokens = message.reply!.split('.')
    const at = tokens.length === 9 ? 4 : 6
    this.count = Number(tokens[at])
    this.sequence = Number(tokens[at + 1])
    this.consumerSequence = Number(tokens[at + 2])
    this.storedAtMs = Math.floor(Number(tokens[at + 3]) / 1e6)
    this.remaining = Number(tokens[at + 4])
  }

  header(name: string): string | undefined {
    return this.#headers?.get(name) || undefined
  }

  headers(): [name: string, value: string][] {
    return headersIn(this.#headers)
  }

  ack(): void {
    this.#respond(ACK)
  }

  nak(delayMs = 0): void {
    this.#respond(delayMs <= 0 ? NAK : Buffer.from(`-NAK {"delay":${nanos(Math.ceil(delayMs))}}`))
  }

  working(): void {
    this.#respond(WORKING)
  }

  #respond(payload: Uint8Array): void {
    try {
      this.#message.respond(payload)
    } catch {
      // The connection is closed for good: the message is redelivered after `ackWaitMs`.
    }
  }
}

export function headersIn(all: MsgHdrs | undefined): [name: string, value: string][] {
  return [...(all ?? [])].flatMap(([name, values]) =>
    values.map((value): [string, string] => [name.toLowerCase(), value]),
  )
}
