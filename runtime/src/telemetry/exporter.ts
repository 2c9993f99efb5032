/**
 * Sends spans to a collector in batches, without slowing down anything else.
 *
 * Invariants: 1. `add` costs a push and never throws. 2. at most `maxQueued` spans are held; more are dropped and
 * counted.
 * 3. one request at a time; a failed one is retried while there is room, then dropped and counted; one that is too
 * large is sent in halves. 4. nothing here keeps a process alive, but `close` sends what is queued, within its time
 * limit.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { request, type ClientRequest } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { encodeSpans } from './otlp-json.ts'
import type { Attributes, Span } from './span.ts'

export interface ExporterOptions {
  /** Base URL of the collector, e.g. `http://127.0.0.1:4318`; spans go to `<url>/v1/traces`. */
  url: string
  /** Token of the sender for the collector. */
  token?: string | undefined
  /** Attributes of the process (OpenTelemetry resource): at least `service.name`. */
  resource: Attributes
  maxQueued?: number
  maxBatch?: number
  /** How long a span waits for more to join its batch. */
  intervalMs?: number
  timeoutMs?: number
  /** Pause before a failed batch is sent again. */
  retryMs?: number
}

export interface ExporterFigures {
  sent: number
  dropped: number
}

/** The process must not wait long at its exit. */
const LAST_TIMEOUT_MS = 1_000
const MAX_ATTEMPTS = 5
const TOO_LARGE = 413
const TOO_MANY_REQUESTS = 429

export class SpanExporter {
  readonly figures: ExporterFigures = { sent: 0, dropped: 0 }
  private readonly options: Required<Omit<ExporterOptions, 'token'>> & Pick<ExporterOptions, 'token'>
  private queue: Span[] = []
  private timer: NodeJS.Timeout | undefined
  private sending: Promise<void> | undefined
  private tries = 0
  /** Smaller than `maxBatch` while spans are large. */
  private batchSize: number
  private isClosing = false
  /** Runs something outside any trace: sending spans must not become part of the trace they belong to. */
  private readonly outside = AsyncLocalStorage.snapshot()

  constructor(options: ExporterOptions) {
    this.options = { maxQueued: 4_096, maxBatch: 512, intervalMs: 250, timeoutMs: 5_000, retryMs: 1_000, ...options }
    this.batchSize = this.options.maxBatch
  }

  add(span: Span): void {
    if (this.queue.length >= this.options.maxQueued) {
      this.figures.dropped += 1
      return
    }
    this.queue.push(span)
    if (this.sending === undefined) this.schedule(this.options.intervalMs)
  }

  /** Sends what is queued, until a batch fails; what is left then is sent later. */
  async flush(): Promise<void> {
    clearTimeout(this.timer)
    this.timer = undefined
    await this.sending
    if (this.queue.length === 0) return
    this.sending = this.sendAll().then(() => this.goOn())
    await this.sending
  }

  /** Sends what is queued, until a batch fails. */
  async close(): Promise<void> {
    this.isClosing = true
    clearTimeout(this.timer)
    await Promise.race([this.sending, delay(LAST_TIMEOUT_MS, undefined, { ref: false })])
    await this.sendAll()
    this.figures.dropped += this.queue.splice(0).length
  }

  private schedule(ms: number): void {
    if (this.timer !== undefined || this.isClosing) return
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.sending = this.send().then(() => this.goOn())
    }, ms).unref()
  }

  private goOn(): void {
    this.sending = undefined
    if (this.queue.length > 0) this.schedule(this.tries > 0 ? this.options.retryMs : this.options.intervalMs)
  }

  private async sendAll(): Promise<void> {
    while (this.queue.length > 0 && (await this.send()));
  }

  private async send(): Promise<boolean> {
    const batch = this.queue.splice(0, this.batchSize)
    const status = await this.post(encodeSpans(batch, this.options.resource))
    if (status === TOO_LARGE && batch.length > 1) {
      this.queue.unshift(...batch)
      this.batchSize = Math.ceil(batch.length / 2)
      return true
    }
    if (status !== undefined && status < 500 && status !== TOO_MANY_REQUESTS) {
      this.figures[status < 300 ? 'sent' : 'dropped'] += batch.length
      this.batchSize = Math.min(this.options.maxBatch, this.batchSize * 2)
      this.tries = 0
      return true
    }
    this.tries += 1
    const room = this.options.maxQueued - this.queue.length
    if (this.isClosing || this.tries >= MAX_ATTEMPTS || room < batch.length) {
      this.figures.dropped += batch.length
      this.tries = 0
    } else {
      this.queue.unshift(...batch)
    }
    return false
  }

  /** Resolves to the response status; undefined if there is none. */
  private post(body: string): Promise<number | undefined> {
    return new Promise(resolve => {
      const { token } = this.options
      let sent: ClientRequest
      try {
        const options = {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
          },
          agent: false,
          timeout: this.isClosing ? LAST_TIMEOUT_MS : this.options.timeoutMs,
        }
        sent = this.outside(() => request(new URL('/v1/traces', this.options.url), options))
      } catch {
        return resolve(undefined)
      }
      sent.once('timeout', () => sent.destroy())
      sent.once('error', () => resolve(undefined))
      sent.once('close', () => resolve(undefined))
      sent.once('socket', socket => {
        if (!this.isClosing) socket.unref()
      })
      sent.once('response', response => {
        response.resume()
        resolve(response.statusCode)
      })
      sent.end(body)
    })
  }
}
