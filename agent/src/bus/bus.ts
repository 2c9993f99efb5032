/**
 * A connection to the bus that recovers: it reconnects forever, and says at any moment whether it is up.
 *
 * Invariants: 1. Nothing waits for a connection that is known to be lost: it fails with UNAVAILABLE at once. 2. After
 * `close` nothing is left open. 3. No object of the library leaves this folder: `linkOf` is for the files in it.
 */
import { setTimeout as delay } from 'node:timers/promises'
import {
  connect,
  credsAuthenticator,
  Events,
  headers,
  type JetStreamClient,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  type StoredMsg,
  type TlsOptions,
} from 'nats'
import type { BusAccess } from './access.ts'
import { BusError, fromThrown } from './bus-error.ts'
import { namesOf, type BusNames } from './names.ts'
import { Publisher, type PublishAck } from './publisher.ts'

export interface BusOptions extends BusAccess {
  /** Client name shown by the server. */
  name: string
  /** Between attempts to connect. Default 200. */
  retryMs?: number
  /** Longest wait for an acknowledgement or an answer. Default 2000. */
  timeoutMs?: number
  /** Called after each failed attempt to make the first connection. */
  onFailure?: (error: Error) => void
}

export interface PublishOptions {
  /** A second message with the same id within the stream's window is acknowledged and not stored. */
  messageId?: string
  /** Sequence of the last message on the subject, 0 if there must be none; otherwise CONFLICT. */
  lastSubjectSequence?: number
  headers?: Record<string, string>
}

/** A message that is in no stream, or the head of one that is. */
export interface HeardMessage {
  subject: string
  data: Uint8Array
  header(name: string): string | undefined
}

/** The library's type leaves out `direct`, which its implementation has. */
type Manager = JetStreamManager & {
  readonly direct: { getMessage(stream: string, query: DirectQuery): Promise<StoredMsg> }
}
export type DirectQuery = { last_by_subj: string } | { seq: number; next_by_subj?: string }

/** The parts of the library that the files of this folder use. */
interface Link {
  readonly connection: NatsConnection
  readonly jetstream: JetStreamClient
  readonly manager: Manager
  /** What the server calls our streams and subjects. */
  readonly names: BusNames
}

const RETRY_MS = 200
const DEFAULT_TIMEOUT_MS = 2_000
/** A server that keeps the connection open but is silent is given up after two of these. */
const PING_INTERVAL_MS = 5_000

/** Only for this folder: `index.ts` does not hand it on. */
export let linkOf: (bus: Bus) => Link

export class Bus {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #reconnected = new Set<() => void>()
  readonly #disconnected = new Set<() => void>()
  readonly #timeoutMs: number
  #waitingForTurn: (() => void)[] = []
  #isConnected = true

  static {
    linkOf = bus => bus.#link
  }

  constructor({ connection, manager, names }: Omit<Link, 'jetstream'>, timeoutMs: number) {
    this.#link = {
      connection,
      jetstream: connection.jetstream({ timeout: timeoutMs }),
      manager,
      names,
    }
    this.#publisher = new Publisher(connection, timeoutMs)
    this.#timeoutMs = timeoutMs
    void this.#follow()
  }

  get isConnected(): boolean {
    return this.#isConnected
  }

  /**
   * Resolves once the message is stored.
   * @throws BusError
   */
  publish(subject: string, data: Uint8Array, options?: PublishOptions): Promise<PublishAck> {
    if (!this.#isConnected) return Promise.reject(disconnected())
    return this.#publisher.publish(this.#link.names.subject(subject), data, options && headersOf(options))
  }

  /** Reaches current listeners only; nothing is kept. */
  tell(subject: string, data?: Uint8Array): void {
    this.#link.connection.publish(this.#link.names.subject(subject), data)
  }

  /**
   * Asks whoever answers on a subject.
   * @throws BusError UNAVAILABLE if nobody does in time
   */
  async ask(subject: string, data?: Uint8Array): Promise<Uint8Array> {
    if (!this.#isConnected) throw disconnected()
    const { connection, names } = this.#link
    try {
      return (await connection.request(names.subject(subject), data, { timeout: this.#timeoutMs })).data
    } catch (error) {
      throw fromThrown(error)
    }
  }

  /**
   * Answers what is asked on a subject; a question that fails is not answered.
   * @returns a function that ends it.
   */
  answer(subject: string, answer: (asked: Uint8Array) => Promise<Uint8Array>): () => void {
    const { connection, names } = this.#link
    const subscription = connection.subscribe(names.subject(subject), {
      callback: (error, message) => {
        if (error === null)
          answer(message.data).then(
            data => message.respond(data),
            () => undefined,
          )
      },
    })
    return () => subscription.unsubscribe()
  }

  /**
   * Hears the messages on a subject, and of what is stored there. Messages are missed while the connection is down.
   * @returns a function that ends it.
   */
  listen(subject: string, onMessage: (message: HeardMessage) => void): () => void {
    const { connection, names } = this.#link
    const subscription = connection.subscribe(names.subject(subject), {
      callback: (error, message) => {
        if (error === null) onMessage(heard(message, names))
      },
    })
    return () => subscription.unsubscribe()
  }

  /**
   * Resolves once the server has received everything sent so far.
   * @throws BusError UNAVAILABLE
   */
  async flush(): Promise<void> {
    try {
      await this.#link.connection.flush()
    } catch (error) {
      throw fromThrown(error)
    }
  }

  /** Called after every reconnect: messages of core subjects were missed in between. */
  onReconnect(listener: () => void): () => void {
    this.#reconnected.add(listener)
    return () => void this.#reconnected.delete(listener)
  }

  /** Called whenever the connection is lost. */
  onDisconnect(listener: () => void): () => void {
    this.#disconnected.add(listener)
    return () => void this.#disconnected.delete(listener)
  }

  /**
   * Resolves when the input of this turn of the event loop has been read, for all waiters at once. The answers of many
   * calls come in one turn, each in a callback of its own; sent from there, each would be a write of its own (a fifth
   * of a dispatcher's time under load).
   */
  endOfTurn(): Promise<void> {
    return new Promise(resolve => {
      if (this.#waitingForTurn.push(resolve) > 1) return
      setImmediate(() => {
        const waiting = this.#waitingForTurn
        this.#waitingForTurn = []
        for (const resume of waiting) resume()
      })
    })
  }

  async close(): Promise<void> {
    this.#isConnected = false
    this.#publisher.close()
    await this.#link.connection.close()
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.#link.connection.status()) {
      if (type === Events.Disconnect) {
        this.#isConnected = false
        this.#publisher.connectionLost()
        for (const listener of this.#disconnected) listener()
      } else if (type === Events.Reconnect) {
        this.#isConnected = true
        for (const listener of this.#reconnected) listener()
      }
    }
    this.#isConnected = false
  }
}

/**
 * Makes a JetStream request through the library.
 * @throws BusError
 */
export async function ask<T>(bus: Bus, request: (manager: Manager, names: BusNames) => Promise<T>): Promise<T> {
  if (!bus.isConnected) throw disconnected()
  const { manager, names } = linkOf(bus)
  try {
    return await request(manager, names)
  } catch (error) {
    throw fromThrown(error)
  }
}

/**
 * Resolves with the first connection, however long the server takes to start.
 * @throws the signal's reason if it is aborted before that.
 */
export async function connectBus(options: BusOptions, signal?: AbortSignal): Promise<Bus> {
  const { timeoutMs = DEFAULT_TIMEOUT_MS, retryMs = RETRY_MS, token, tls, credentials } = options
  for (;;) {
    signal?.throwIfAborted()
    try {
      const connection = await connect({
        servers: options.url.split(','),
        name: options.name,
        ...(options.user !== undefined && { user: options.user, pass: options.password ?? '' }),
        ...(token !== undefined && { token }),
        ...(credentials !== undefined && { authenticator: credsAuthenticator(Buffer.from(credentials)) }),
        ...(tls !== undefined && { tls: tlsOf(tls) }),
        timeout: timeoutMs,
        maxReconnectAttempts: -1,
        reconnectTimeWait: retryMs,
        reconnectJitter: retryMs,
        // A server that has just restarted may refuse everyone for a moment.
        ignoreAuthErrorAbort: true,
        pingInterval: PING_INTERVAL_MS,
        noAsyncTraces: true,
      })
      const manager = await connection.jetstreamManager({ timeout: timeoutMs, checkAPI: false })
      return new Bus({ connection, manager: manager as Manager, names: namesOf(options.project) }, timeoutMs)
    } catch (error) {
      // Not there yet, or not ours yet: retry until it is, or until we are told to stop.
      options.onFailure?.(error as Error)
      await delay(retryMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

function heard({ subject, data, headers: all }: Msg, names: BusNames): HeardMessage {
  return { subject: names.ownSubject(subject), data, header: name => all?.get(name) || undefined }
}

/** Without what is not there: the library takes a key that is undefined for one that is. */
function tlsOf(tls: NonNullable<BusAccess['tls']>): TlsOptions {
  return Object.fromEntries(Object.entries(tls).filter(([, value]) => value !== undefined))
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
