/**
 * Synchronous calls at a steady rate over all proxies that live, whatever the answers do (an open loop): what a machine that
 * is lost costs its callers.
 *
 * Each is a POST: a proxy must not send it again once it may have run. One that could not be connected has certainly not
 * run, so it goes to the next proxy, as load balancers do it. Everything else without a 200 is an error.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { LiveProxies } from './live-proxies.ts'

export interface Failure {
  /** When it was sent, by `performance.now()`. */
  at: number
  /** For how long it waited. */
  ms: number
  /** Through which proxy. */
  url: string
  reason: string
}

export interface SyncReport {
  sent: number
  answered: number
  /** Answers of another call: none may be. */
  mixedUp: number
  /** Calls that were due while too many others were waiting. */
  skipped: number
  failures: Failure[]
  /** Of calls that succeeded, those that took longest. */
  slow: { at: number; ms: number }[]
}

const TURN_MS = 20
const MOST_IN_FLIGHT = 1_000
const ANSWER_MS = 10_000
const SLOW_MS = 500
const NOT_SENT = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

export async function callSteadily(
  proxies: LiveProxies,
  { path, perSecond, signal }: { path: string; perSecond: number; signal: AbortSignal },
): Promise<SyncReport> {
  const report: SyncReport = { sent: 0, answered: 0, mixedUp: 0, skipped: 0, failures: [], slow: [] }
  const dispatcher = new Agent({
    connections: 64,
    pipelining: 1,
    headersTimeout: ANSWER_MS,
    connect: { timeout: 1_000 },
  })
  const flying = new Set<Promise<void>>()
  const begin = performance.now()
  for (let n = 0; !signal.aborted;) {
    const due = Math.floor(((performance.now() - begin) * perSecond) / 1_000)
    for (; n < due; n++) {
      if (flying.size >= MOST_IN_FLIGHT) {
        report.skipped += 1
        continue
      }
      report.sent += 1
      const call: Promise<void> = callOnce(n, path, { proxies, dispatcher, report }).finally(() => flying.delete(call))
      flying.add(call)
    }
    await delay(TURN_MS)
  }
  await Promise.all(flying)
  await dispatcher.destroy()
  return report
}

async function callOnce(
  n: number,
  path: string,
  { proxies, dispatcher, report }: { proxies: LiveProxies; dispatcher: Agent; report: SyncReport },
): Promise<void> {
  const at = performance.now()
  for (;;) {
    const url = proxies.next()
    const fail = (reason: string) => report.failures.push({ at, ms: performance.now() - at, url, reason })
    try {
      const answer = await request(url + path, { method: 'POST', body: String(n), dispatcher })
      const text = await answer.body.text()
      const ms = performance.now() - at
      if (answer.statusCode !== 200) return void fail(`${answer.statusCode} ${text.slice(0, 120)}`)
      if (text === String(n)) report.answered += 1
      else report.mixedUp += 1
      if (ms > SLOW_MS) report.slow.push({ at, ms })
      return
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException
      proxies.failed(url)
      if (!NOT_SENT.has(code) || performance.now() - at > ANSWER_MS) return void fail(`${code} ${message}`)
    }
  }
}
