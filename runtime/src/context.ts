/**
 * The invocation that the current code runs for. It follows the asynchronous flow (`AsyncLocalStorage`), so concurrent
 * requests never see each other's context; outside an invocation there is none.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { InvocationSpan } from './spans/invocation-span.ts'

/** Plain text lines, prefixed with level and request id: `info` and `debug` on stdout, the rest on stderr. */
export interface FunctionLog {
  debug(message: unknown, ...details: unknown[]): void
  info(message: unknown, ...details: unknown[]): void
  warn(message: unknown, ...details: unknown[]): void
  error(message: unknown, ...details: unknown[]): void
}

/** The raw connection of a request that asks for another protocol (RFC 9110, 7.8), e.g. WebSocket. */
export interface UpgradeRequest {
  readonly socket: Duplex
  /** Bytes of the new protocol that arrived together with the request. */
  readonly head: Buffer
}

/** Who called a function, as the proxy made sure by the function's access rule. */
export type Caller =
  /** It sent a key of `ryo-faas keys`. `name` is the one that the key was created with. */
  | { readonly kind: 'key'; readonly id: string; readonly name: string }
  /** It sent a JWT that the rule accepts. */
  | {
      readonly kind: 'jwt'
      readonly issuer: string
      /** `sub` of the token. */
      readonly subject?: string
      /** All claims of the token. */
      readonly claims: Readonly<Record<string, unknown>>
    }
  /** Another function of the platform. `name` is its route. */
  | { readonly kind: 'function'; readonly name: string }
  /** Whoever holds the token of the platform: the command line and the editor. */
  | { readonly kind: 'operator' }

export interface FunctionContext {
  /** Deployment name as the user wrote it. */
  readonly name: string
  /** Version of the deployment, counting from 1; 0 when run outside the platform. */
  readonly version: number
  /** Correlates this request across all parts of the platform (`X-Request-Id`). */
  readonly requestId: string
  /** Trace that this invocation is a part of (W3C Trace Context, 32 hex digits). */
  readonly traceId: string
  /** Id of the asynchronous call (`X-Call-Id`); absent for a direct request. */
  readonly callId?: string
  /** Attempt of the asynchronous call, counting from 1. */
  readonly attempt: number
  /**
   * Aborts when the response is no longer needed: the client disconnected (`AbortError`), the deadline passed
   * (`TimeoutError`) or the instance has to stop (`AbortError`).
   */
  readonly signal: AbortSignal
  readonly log: FunctionLog
  /**
   * Present when the client asked for an upgrade. The handler either takes the socket (for instance
   * `webSocketServer.handleUpgrade(request, context.upgrade.socket, context.upgrade.head, …)`) or responds as usual.
   */
  readonly upgrade?: UpgradeRequest
  /** What the route pattern of the function took from the path, e.g. `{ id: '7' }` for `/orders/:id`. */
  readonly params: Readonly<Record<string, string>>
  /** Who called, if the function has an access rule other than `public`; absent for events. */
  readonly caller?: Caller
  /**
   * Keeps the invocation in flight until `work` has settled, also after the response: a drain waits for it, at most
   * until the deadline. A rejection is logged.
   */
  waitUntil(work: PromiseLike<unknown>): void
  /** Milliseconds until the deadline, never negative; `Infinity` without a deadline. */
  remainingMs(): number
}

/** What the runtime knows about an invocation in addition to what its handler may see. */
export interface RunningInvocation {
  readonly span: InvocationSpan
  readonly context: FunctionContext
  readonly headers: IncomingHttpHeaders
  /** Base URL of the proxy, for calls to other functions. */
  readonly proxyUrl: string | undefined
  readonly storeUrl: string | undefined
  /** Token of this deployment for the store. */
  readonly token: string | undefined
  /** Sends requests to proxy and store; default: `fetch`. */
  readonly send?: typeof fetch | undefined
}

export const running = new AsyncLocalStorage<RunningInvocation>()

/** The context of the running invocation. Throws outside one, e.g. while a module loads. */
export function context(): FunctionContext {
  return currentInvocation('context()').context
}

/** @param caller the function that the error message names */
export function currentInvocation(caller: string): RunningInvocation {
  const invocation = running.getStore()
  if (!invocation) {
    throw new Error(
      `${caller} works only while a function runs, not while its module loads. In a test, run the function with ` +
        'testFunction() from @ryo-faas/runtime/testing.',
    )
  }
  return invocation
}
