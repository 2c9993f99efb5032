/** A NATS server of the user's, as its owner sees it. */
import { readFileSync } from 'node:fs'
import { AckPolicy, connect, createInbox, headers, nanos, type ConsumerInfo, type NatsConnection } from 'nats'
import { until } from '../../../test/support/until.ts'
import { startNats, type TestNats } from './nats-server.ts'

/** PEM files. */
export interface TheirTls {
  ca: string
  cert: string
  key: string
}

export class TheirServer {
  readonly nats: TestNats
  readonly #connection: NatsConnection

  private constructor(nats: TestNats, connection: NatsConnection) {
    this.nats = nats
    this.#connection = connection
  }

  /** @param tls with which it listens, and its owner connects */
  static async start(tls?: TheirTls): Promise<TheirServer> {
    const nats = await startNats('', tls)
    const { url: servers, user, password: pass } = nats
    const read = (file: string) => readFileSync(file, 'utf8')
    const pem = tls && { ca: read(tls.ca), cert: read(tls.cert), key: read(tls.key) }
    const connection = await connect({ servers, user, pass, ...(pem && { tls: pem }), maxReconnectAttempts: -1 })
    return new TheirServer(nats, connection)
  }

  /** With user and password. */
  get url(): string {
    return this.nats.url.replace('://', `://${this.nats.user}:${this.nats.password}@`)
  }

  async stream(name: string, subject: string, retention: 'limits' | 'workqueue' = 'limits'): Promise<void> {
    const manager = await this.#connection.jetstreamManager()
    await manager.streams.add({ name, subjects: [subject], retention: retention as never })
  }

  async addConsumer(stream: string, name: string, ackWaitMs: number): Promise<void> {
    const manager = await this.#connection.jetstreamManager()
    await manager.consumers.add(stream, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      ack_wait: nanos(ackWaitMs),
    })
  }

  async consumer(stream: string, name: string): Promise<ConsumerInfo> {
    const manager = await this.#connection.jetstreamManager()
    return manager.consumers.info(stream, name)
  }

  async messagesIn(stream: string): Promise<number> {
    const manager = await this.#connection.jetstreamManager()
    return (await manager.streams.info(stream)).state.messages
  }

  /** Resolves when somebody has got it, a stream or a subscriber: until then nobody was there. */
  async send(subject: string, data: string | Uint8Array, named: Record<string, string> = {}): Promise<void> {
    await until(async () => {
      const all = headers()
      for (const [name, value] of Object.entries(named)) all.set(name, value)
      const reply = createInbox()
      let isHeard = true
      const subscription = this.#connection.subscribe(reply, {
        callback: (_error, message) => {
          if (message.headers?.code === 503) isHeard = false
        },
      })
      this.#connection.publish(subject, data, { headers: all, reply })
      // The server answers in order: before this, that nobody listens.
      // It may be away.
      const isUp = await this.#connection.flush().then(
        () => true,
        () => false,
      )
      subscription.unsubscribe()
      return (isUp && isHeard) || undefined
    })
  }

  async stop(): Promise<void> {
    await this.#connection.close()
    await this.nats.stop()
  }
}
