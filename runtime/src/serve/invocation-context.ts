/** What a handler sees of its invocation. Members work when taken apart: `({ signal, remainingMs }) => …`. */
import { format } from 'node:util'
import type { Caller, FunctionContext, FunctionLog, UpgradeRequest } from '../context.ts'
import { HEADERS } from '../protocol/index.ts'
import type { Outlet } from './instance.ts'
import type { Invocation } from './invocation.ts'

export class InvocationContext implements FunctionContext {
  readonly #invocation: Invocation
  readonly callId?: string
  readonly upgrade?: UpgradeRequest
  readonly caller?: Caller
  /** Not a getter: a framework that takes the context for its own, as GraphQL Yoga does, writes its `params` to it. */
  readonly params: Readonly<Record<string, string>>

  constructor(invocation: Invocation) {
    this.#invocation = invocation
    const callId = invocation.headers[HEADERS.callId]
    if (typeof callId === 'string') this.callId = callId
    if (invocation.upgrade) this.upgrade = invocation.upgrade
    this.params = invocation.params
    if (invocation.caller !== undefined) this.caller = invocation.caller
  }

  get name(): string {
    return this.#invocation.options.name
  }

  get version(): number {
    return this.#invocation.options.version
  }

  get requestId(): string {
    return this.#invocation.requestId
  }

  get traceId(): string {
    return this.#invocation.span.context.traceId
  }

  get attempt(): number {
    const attempt = Number(this.#invocation.headers[HEADERS.callAttempt])
    return Number.isSafeInteger(attempt) && attempt > 0 ? attempt : 1
  }

  get signal(): AbortSignal {
    return this.#invocation.signal
  }

  get log(): FunctionLog {
    const { requestId } = this
    const { outlet } = this.#invocation
    // The proxy makes both the same, unless a client sent its own id.
    if (this.#invocation.headers['traceparent'] === undefined || requestId === this.traceId) {
      return createLog(requestId, outlet)
    }
    return createLog(`${requestId} trace=${this.traceId}`, outlet)
  }

  readonly waitUntil = (work: PromiseLike<unknown>): void => this.#invocation.waitUntil(work)

  readonly remainingMs = (): number => this.#invocation.remainingMs()
}

/** @param ids shown in brackets before each message */
export function createLog(ids: string, outlet: Outlet): FunctionLog {
  const line =
    (level: keyof FunctionLog) =>
    (...parts: unknown[]): void =>
      outlet.log(level, ids, format(...parts))
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }
}
