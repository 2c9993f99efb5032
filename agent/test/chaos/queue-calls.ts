/**
 * Queues calls at a bounded rate over several connections. One that got no 202, for whatever reason, is sent again with
 * the same `Idempotency-Key`, as a careful client does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'

export interface QueueOptions {
  /** URL of the function; with several proxies that of one which lives. */
  url: string | (() => string)
  calls: number
  perSecond: number
  connections: number
  keyPrefix: string
  callbackUrl: string
  bodyOf: (n: number) => string
  /** No further call begins after it is aborted. */
  stop?: AbortSignal
  signal: AbortSignal
}

export interface Queued {
  /** By number of the call. */
  callIds: Map<number, string>
  /** How many requests got no 202. */
  unanswered: number
}

const ANSWER_TIMEOUT_MS = 5_000
const RETRY_MS = 250

/** Resolves when every call that was begun is accepted, or when aborted, with those accepted so far. */
export async function queueCalls(options: QueueOptions): Promise<Queued> {
  const dispatcher = new Agent({
    connections: options.connections,
    pipelining: 1,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  })
  const queued: Queued = { callIds: new Map(), unanswered: 0 }
  const begin = performance.now()
  let next = 0
  const senders = Array.from({ length: options.connections }, async () => {
    while (next < options.calls && !options.signal.aborted && options.stop?.aborted !== true) {
      const n = next++
      await delay(Math.max(0, begin + (n * 1_000) / options.perSecond - performance.now()))
      await queueOne(dispatcher, n, { ...options, queued })
    }
  })
  await Promise.all(senders)
  await dispatcher.destroy()
  return queued
}

async function queueOne(dispatcher: Agent, n: number, { queued, ...options }: QueueOptions & { queued: Queued }) {
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': `${options.keyPrefix}-${n}`,
    'x-callback-url': options.callbackUrl,
  }
  while (!options.signal.aborted) {
    try {
      const url = typeof options.url === 'string' ? options.url : options.url()
      const answer = await request(url, { method: 'POST', dispatcher, headers, body: options.bodyOf(n) })
      const text = await answer.body.text()
      if (answer.statusCode === 202) {
        queued.callIds.set(n, (JSON.parse(text) as { callId: string }).callId)
        return
      }
    } catch {
      // The proxy is down, or died in the meantime: it is unknown whether the call is queued.
    }
    queued.unanswered += 1
    await delay(RETRY_MS)
  }
}
