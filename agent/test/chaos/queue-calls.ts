/**
 * Queues calls at a bounded rate over several connections. One that got no 202, for whatever reason, is sent again with
 * the same `Idempotency-Key`, as a careful client does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Pool } from 'undici'

export interface QueueOptions {
  /** URL of the function. */
  url: string
  calls: number
  perSecond: number
  connections: number
  keyPrefix: string
  callbackUrl: string
  bodyOf: (n: number) => string
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

/** Resolves when every call is accepted, or when aborted, with those accepted so far. */
export async function queueCalls(options: QueueOptions): Promise<Queued> {
  const { origin } = new URL(options.url)
  const pool = new Pool(origin, {
    connections: options.connections,
    pipelining: 1,
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  })
  const queued: Queued = { callIds: new Map(), unanswered: 0 }
  const begin = performance.now()
  let next = 0
  const senders = Array.from({ length: options.connections }, async () => {
    while (next < options.calls && !options.signal.aborted) {
      const n = next++
      await delay(Math.max(0, begin + (n * 1_000) / options.perSecond - performance.now()))
      await queueOne(pool, n, { ...options, queued })
    }
  })
  await Promise.all(senders)
  await pool.destroy()
  return queued
}

async function queueOne(pool: Pool, n: number, { queued, ...options }: QueueOptions & { queued: Queued }) {
  const { pathname: path } = new URL(options.url)
  const headers = {
    'content-type': 'application/json',
    'idempotency-key': `${options.keyPrefix}-${n}`,
    'x-callback-url': options.callbackUrl,
  }
  while (!options.signal.aborted) {
    try {
      const answer = await pool.request({ method: 'POST', path, headers, body: options.bodyOf(n) })
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
