/**
 * Forwards received traces to another collector, unchanged.
 *
 * Invariants: 1. nobody waits for it: the queue is bounded by bytes, and what does not fit is dropped and counted.
 * 2. temporary errors (429, 502, 503, 504) and failed connections are retried with growing gaps; other responses are
 * final. 3. what we forwarded to ourselves is not forwarded again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { backoffMs } from '../../host/index.ts'
import type { Body } from './receive.ts'

export interface ForwarderOptions {
  url: string
  headers: Record<string, string>
  maxQueueBytes: number
  /** How long one batch is retried. */
  giveUpMs: number
  onForwarded: (spans: number) => void
  onDropped: (spans: number, reason: ForwardDropReason) => void
  log: { warn(about: object, message: string): void; info(about: object, message: string): void }
}
/** `full`: the queue is. `refused`: the response was final. `unreachable`: no final response for too long. */
export type ForwardDropReason = 'full' | 'refused' | 'unreachable'

interface Batch {
  body: Body
  spans: number
}

/** Marks what we sent, so that a collector whose target is itself does not loop forever. */
export const FORWARDED_HEADER = 'x-ryo-faas-forwarded'
const RETRYABLE = new Set([429, 502, 503, 504])
const GAP = { firstMs: 500, mostMs: 30_000 }
const ANSWER_MS = 10_000

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #abort = new AbortController()
  readonly #queue: Batch[] = []
  #queuedBytes = 0
  #sending: Promise<void> | undefined
  #isAway = false

  constructor(options: ForwarderOptions) {
    this.#options = options
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  add(batch: Batch): void {
    if (this.#queuedBytes + batch.body.bytes.length > this.#options.maxQueueBytes) {
      return this.#options.onDropped(batch.spans, 'full')
    }
    this.#queue.push(batch)
    this.#queuedBytes += batch.body.bytes.length
    this.#sending ??= this.#sendAll()
  }

  /** What is not sent yet is dropped. */
  async close(): Promise<void> {
    this.#abort.abort()
    await this.#sending
  }

  async #sendAll(): Promise<void> {
    for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
      const outcome = await this.#sendOne(batch)
      this.#queue.shift()
      this.#queuedBytes -= batch.body.bytes.length
      if (outcome === 'sent') this.#options.onForwarded(batch.spans)
      else this.#options.onDropped(batch.spans, outcome)
    }
    this.#sending = undefined
  }

  async #sendOne(batch: Batch): Promise<'sent' | ForwardDropReason> {
    const { signal } = this.#abort
    const deadline = performance.now() + this.#options.giveUpMs
    for (let failures = 1; ; failures += 1) {
      const answer = await this.#post(batch.body)
      if (answer.kind === 'final') return answer.isSent ? 'sent' : 'refused'
      const waitMs = answer.waitMs ?? backoffMs(GAP, failures, Math.random())
      if (signal.aborted || performance.now() + waitMs > deadline) return 'unreachable'
      await delay(waitMs, undefined, { signal, ref: false }).catch(() => undefined) // Closed: dropped above.
    }
  }

  async #post({
    bytes,
    contentType,
    encoding,
  }: Body): Promise<{ kind: 'final'; isSent: boolean } | { kind: 'again'; waitMs?: number }> {
    const { url, headers, log } = this.#options
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': contentType,
          ...(encoding !== undefined && { 'content-encoding': encoding }),
          [FORWARDED_HEADER]: '1',
          ...headers,
        },
        body: new Uint8Array(bytes),
        redirect: 'error',
        signal: AbortSignal.any([this.#abort.signal, AbortSignal.timeout(ANSWER_MS)]),
      })
      await response.body?.cancel()
      if (RETRYABLE.has(response.status)) {
        this.#noteAway(`it returned ${response.status}`)
        const seconds = Number(response.headers.get('retry-after') ?? NaN)
        return { kind: 'again', ...(seconds >= 0 && { waitMs: seconds * 1000 }) }
      }
      if (this.#isAway) log.info({ url }, 'traces are forwarded again')
      this.#isAway = false
      if (!response.ok) log.warn({ url, status: response.status }, 'the receiving collector refused traces')
      return { kind: 'final', isSent: response.ok }
    } catch (error) {
      this.#noteAway((error as Error).message)
      return { kind: 'again' }
    }
  }

  #noteAway(reason: string): void {
    if (!this.#isAway) this.#options.log.warn({ url: this.#options.url, reason }, 'traces cannot be forwarded for now')
    this.#isAway = true
  }
}

/**
 * Where to forward, from OpenTelemetry's own variables.
 * @throws an error that names the variable if its value is not a URL.
 */
export function forwardTarget(
  environment: NodeJS.ProcessEnv,
): { url: string; headers: Record<string, string> } | undefined {
  const own = environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']?.trim()
  const all = environment['OTEL_EXPORTER_OTLP_ENDPOINT']?.trim()
  const [variable, text] = own ? ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', own] : ['OTEL_EXPORTER_OTLP_ENDPOINT', all]
  if (!text) return undefined
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) throw new Error(`${variable} is not an http(s) URL: ${text}`)
  return {
    // The one for all signals is a base; the one for traces is used as it is.
    url: own ? text : `${text.replace(/\/+$/, '')}/v1/traces`,
    headers: {
      ...parseHeaders(environment['OTEL_EXPORTER_OTLP_HEADERS']),
      ...parseHeaders(environment['OTEL_EXPORTER_OTLP_TRACES_HEADERS']),
    },
  }
}

/** `key=value,key2=value2`, values percent-encoded, as W3C baggage. */
function parseHeaders(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').map(pair => {
    const at = pair.indexOf('=')
    return [pair.slice(0, Math.max(0, at)).trim().toLowerCase(), pair.slice(at + 1).trim()] as const
  })
  return Object.fromEntries(pairs.filter(([key]) => key !== '').map(([key, value]) => [key, decode(value)]))
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // A bare percent sign means itself.
  }
}
