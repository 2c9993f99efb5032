/**
 * A connection to the bus that heals: it reconnects for ever, and says at any moment whether it is there.
 *
 * Invariants: 1. nothing waits for a connection that is known to be lost: it fails with UNAVAILABLE at once. 2. after
 * `close` nothing is left open.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  connect,
  Events,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type NatsConnection,
  type StoredMsg,
} from 'nats'
import { BusError, fromThrown } from './bus-error.ts'
import { Publisher, type PublishAck } from './publisher.ts'

export interface BusOptions {
  /** `nats://host:port` */
  url: string
  user?: string | undefined
  password?: string | undefined
  /** How the server lists this client. */
  name: string
  /** Longest wait for an acknowledgement or an answer. Default 2000. */
  timeoutMs?: number
  /** Told of every try to connect for the first time that failed. */
  onFailure?: (error: Error) => void
}

export interface PublishOptions {
  /** A second message with the same id within the stream's window is acknowledged and not stored. */
  messageId?: string
  /** Sequence of the last message on the subject, 0 if there must be none; otherwise CONFLICT. */
  lastSubjectSequence?: number
  headers?: Record<string, string>
}

/** The library's type leaves out `direct`, which its implementation has. */
export type Manager = JetStreamManager & {
  readonly direct: { getMessage(stream: string, query: DirectQuery): Promise<StoredMsg> }
}
export type DirectQuery = { last_by_subj: string } | { seq: number; next_by_subj?: string }

const RETRY_MS = 200
const DEFAULT_TIMEOUT_MS = 2_000
/** A server that holds the connection but says nothing is given up after two of these. */
const PING_INTERVAL_MS = 5_000

export class Bus {
  readonly connection: NatsConnection
  readonly jetstream: JetStreamClient
  readonly manager: Manager
  private readonly publisher: Publisher
  private readonly listeners = new Set<() => void>()
  isConnected = true

  constructor(connection: NatsConnection, manager: Manager, timeoutMs: number) {
    this.connection = connection
    this.manager = manager
    this.jetstream = connection.jetstream({ timeout: timeoutMs })
    this.publisher = new Publisher(connection, timeoutMs)
    void this.follow()
  }

  /**
   * Resolves once the message is stored.
   * @throws BusError
   */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): Promise<PublishAck> {
    if (!this.isConnected) return Promise.reject(disconnected())
    return this.publisher.publish(subject, data, options && headersOf(options))
  }

  /**
   * Asks something of JetStream through the library.
   * @throws BusError
   */
  async ask<T>(request: (manager: Manager) => Promise<T>): Promise<T> {
    if (!this.isConnected) throw disconnected()
    try {
      return await request(this.manager)
    } catch (error) {
      throw fromThrown(error)
    }
  }

  /** Called after every reconnect: messages of core subjects were missed meanwhile. */
  onReconnect(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => void this.listeners.delete(listener)
  }

  async close(): Promise<void> {
    this.publisher.close()
    await this.connection.close()
  }

  private async follow(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === Events.Disconnect) {
        this.isConnected = false
        this.publisher.connectionLost()
      } else if (type === Events.Reconnect) {
        this.isConnected = true
        for (const listener of this.listeners) listener()
      }
    }
    this.isConnected = false
  }
}

/**
 * Resolves with the first connection, however long the server takes to come.
 * @throws the signal's reason if it is aborted before that.
 */
export async function connectBus(options: BusOptions, signal?: AbortSignal): Promise<Bus> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS
  for (;;) {
    signal?.throwIfAborted()
    try {
      const connection = await connect({
        servers: options.url,
        name: options.name,
        ...(options.user !== undefined && { user: options.user, pass: options.password ?? '' }),
        timeout: timeoutMs,
        maxReconnectAttempts: -1,
        reconnectTimeWait: RETRY_MS,
        reconnectJitter: RETRY_MS,
        // A server that comes back may refuse everyone for a moment.
        ignoreAuthErrorAbort: true,
        pingInterval: PING_INTERVAL_MS,
        noAsyncTraces: true,
      })
      const manager = await connection.jetstreamManager({ timeout: timeoutMs, checkAPI: false })
      return new Bus(connection, manager as Manager, timeoutMs)
    } catch (error) {
      // Not there yet, or not ours yet: tried until it is, or until we are told to stop.
      options.onFailure?.(error as Error)
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined)
    }
  }
}

function disconnected(): BusError {
  return new BusError('UNAVAILABLE', 'not connected to NATS')
}

function headersOf({ messageId, lastSubjectSequence, headers: own = {} }: PublishOptions) {
  const result = headers()
  if (messageId !== undefined) result.set('Nats-Msg-Id', messageId)
  if (lastSubjectSequence !== undefined) result.set('Nats-Expected-Last-Subject-Sequence', String(lastSubjectSequence))
  for (const [name, value] of Object.entries(own)) result.set(name, value)
  return result
}
