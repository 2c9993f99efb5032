/**
 * One attempt to deliver a result.
 *
 * Invariants: 1. It never throws and ends within `timeoutMs`. 2. Every hop is checked like the first: the URL, then the
 * address behind the name at the moment of connecting. 3. Only redirects that keep method and body
 * (307, 308; RFC 9110 §15.4) are followed.
 */
import { routeOf } from '@ryo-faas/runtime/protocol'
import { Agent, type Dispatcher } from 'undici'
import { CallbackRule, guardedLookup, RefusedAddressError, retryAfterMs, type Resolve } from '../../../calls/index.ts'
import type { CallbackOptions } from '../options.ts'
import type { Callback } from './callback-message.ts'
import { signatureHeaders } from './signature.ts'

export type CallbackOutcome =
  | { kind: 'delivered' }
  /** Retrying is useless: not allowed, or the receiver is gone for good (410). */
  | { kind: 'refused'; reason: string }
  | { kind: 'retry'; reason: string; retryAfterMs: number }

const MOST_REDIRECTS = 3
/** Limit for reading the rest of a response; beyond it the connection is closed. */
const DUMP_BYTES = 64 * 1024

type SenderOptions = Pick<CallbackOptions, 'secret' | 'allow' | 'timeoutMs'>

export class CallbackSender {
  private readonly options: SenderOptions
  private readonly rule: CallbackRule
  private readonly agent: Agent

  constructor(options: SenderOptions & { resolve?: Resolve | undefined }) {
    this.options = options
    const { timeoutMs: connectTimeoutMs, resolve } = options
    this.rule = new CallbackRule(options.allow)
    this.agent = new Agent({
      connect: { lookup: guardedLookup(this.rule, resolve), timeout: connectTimeoutMs },
      pipelining: 1,
      // There are many receivers, each rarely looked up twice.
      keepAliveTimeout: 2_000,
    })
  }

  async send(callback: Callback, signal: AbortSignal): Promise<CallbackOutcome> {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(this.options.timeoutMs)])
    const now = Date.now()
    const headers = this.headersFor(callback, now)
    try {
      let url = callback.url
      for (let hop = 0; hop <= MOST_REDIRECTS; hop += 1) {
        const problem = this.rule.urlProblem(url)
        if (problem !== undefined) return { kind: 'refused', reason: `${url} ${problem}` }
        const { origin, pathname, search } = new URL(url)
        const answer = await this.agent.request({
          ...{ origin, path: pathname + search, method: 'POST', headers },
          body: callback.body,
          signal: limit,
        })
        await answer.body.dump({ limit: DUMP_BYTES, signal: limit })
        const next = redirectOf(answer)
        if (next === undefined) return outcomeOf(answer, now)
        url = new URL(next, url).href
      }
      return { kind: 'retry', reason: `more than ${MOST_REDIRECTS} redirects`, retryAfterMs: 0 }
    } catch (error) {
      const { message } = error as Error
      if (error instanceof RefusedAddressError) return { kind: 'refused', reason: message }
      return { kind: 'retry', reason: message, retryAfterMs: 0 }
    }
  }

  async close(): Promise<void> {
    await this.agent.destroy()
  }

  private headersFor(callback: Callback, now: number): Record<string, string> {
    const { webhookId: id, body, callId, functionName, status, durationMs, traceparent, tracestate } = callback
    return {
      'user-agent': 'ryo-faas',
      ...Object.fromEntries(callback.headers),
      'x-call-id': callId,
      'x-function-name': functionName,
      'x-function-status': String(status),
      'x-duration-seconds': (durationMs / 1_000).toFixed(3),
      ...eventHeaders(callback),
      ...signatureHeaders(this.options.secret, { id, body, now }),
      ...(traceparent !== undefined && { traceparent }),
      ...(tracestate !== undefined && { tracestate }),
    }
  }
}

/** A CloudEvent in binary mode: the body and its media type stay as they are. */
function eventHeaders({ event, webhookId, callId, functionName, traceparent }: Callback): Record<string, string> {
  if (event === undefined) return {}
  return {
    'ce-specversion': '1.0',
    'ce-id': webhookId,
    'ce-source': `/functions/${routeOf(functionName)}`,
    'ce-type': `ryo-faas.call.${event.status}`,
    'ce-subject': callId,
    'ce-time': event.time,
    ...(traceparent !== undefined && { 'ce-traceparent': traceparent }),
  }
}

function redirectOf({ statusCode, headers }: Dispatcher.ResponseData): string | undefined {
  const { location } = headers
  return (statusCode === 307 || statusCode === 308) && typeof location === 'string' ? location : undefined
}

function outcomeOf({ statusCode, headers }: Dispatcher.ResponseData, now: number): CallbackOutcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'delivered' }
  const reason = `the receiver answered ${statusCode}`
  if (statusCode === 410) return { kind: 'refused', reason }
  const retryAfter = headers['retry-after']
  const pairs: [string, string][] = typeof retryAfter === 'string' ? [['retry-after', retryAfter]] : []
  return { kind: 'retry', reason, retryAfterMs: retryAfterMs(pairs, now) }
}
