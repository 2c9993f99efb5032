/**
 * Runs an attempt: one HTTP request through the proxy, which handles limits, timeouts and the choice of an instance.
 *
 * Invariants: 1. A call never throws: any outcome is an `AttemptEnd`. 2. It ends within `timeoutMs` plus `overtimeMs`
 * of silence even if the proxy hangs. 3. At most `resultLimitBytes` of a response are kept; the rest is still read,
 * because breaking off would abort a working function. 4. Calls and the platform's secret go only to a proxy that
 * proved itself on that connection.
 */
import { FUNCTIONS_PREFIX } from '@ryo-faas/runtime/protocol'
import type { TraceContext } from '@ryo-faas/runtime/telemetry'
import { buildConnector, errors, Pool, type Dispatcher } from 'undici'
import { provenConnector } from '../../../client/index.ts'
import { PROXY_LOST, type AttemptEnd, type CallHead } from '../../../calls/index.ts'
import type { DispatchedFunction, DispatcherOptions } from '../options.ts'
import { requestHeaders, resultHeaders } from './request-headers.ts'

export interface Attempt {
  fn: DispatchedFunction
  callId: string
  number: number
  head: CallHead
  body: Buffer
  /** The parent of the proxy's span. */
  trace: TraceContext
  /** Aborts the request; the proxy then aborts the function. */
  signal: AbortSignal
}

type CallerOptions = Pick<DispatcherOptions, 'proxyUrl' | 'access' | 'overtimeMs' | 'resultLimitBytes'>

const CONNECT_TIMEOUT_MS = 2_000
/** Shorter than the proxy's, so that the proxy never closes a connection we are about to use. */
const KEEP_ALIVE_MS = 15_000

export class FunctionCaller {
  private readonly options: CallerOptions
  private readonly pool: Pool

  constructor(options: CallerOptions) {
    this.options = options
    this.pool = new Pool(options.proxyUrl, {
      pipelining: 1,
      connect: provenConnector(made => buildConnector({ ...made, timeout: CONNECT_TIMEOUT_MS }), {
        url: options.proxyUrl,
        token: options.access.operator,
      }),
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    })
  }

  call({ fn, callId, number, head, body, signal, trace }: Attempt): Promise<AttemptEnd> {
    const { access, overtimeMs, resultLimitBytes } = this.options
    const patienceMs = fn.timeoutMs + overtimeMs
    const request: Dispatcher.DispatchOptions = {
      method: head.method,
      path: FUNCTIONS_PREFIX + fn.route + head.path,
      headers: requestHeaders(head, { id: callId, attempt: number, token: access.part, trace }),
      body: body.length === 0 ? null : body,
      headersTimeout: patienceMs,
      bodyTimeout: patienceMs,
    }
    return new Promise(resolve => {
      this.pool.dispatch(request, new AnswerCollector({ signal, limitBytes: resultLimitBytes, resolve }))
    })
  }

  async close(): Promise<void> {
    await this.pool.destroy()
  }
}

interface CollectorOptions {
  signal: AbortSignal
  limitBytes: number
  resolve: (end: AttemptEnd) => void
}

class AnswerCollector implements Dispatcher.DispatchHandler {
  private readonly options: CollectorOptions
  private controller: Dispatcher.DispatchController | undefined
  private status = 0
  private headers: [string, string][] = []
  private pieces: Buffer[] = []
  private bytes = 0

  constructor(options: CollectorOptions) {
    this.options = options
    options.signal.addEventListener('abort', this.abort)
  }

  /** From here on, part of the request may have been sent. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.options.signal.aborted) this.abort()
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    this.status = status
    this.headers = resultHeaders(controller.rawHeaders as Buffer[])
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.bytes += piece.length
    if (this.bytes > this.options.limitBytes) this.pieces = []
    else this.pieces.push(piece)
  }

  onResponseEnd(): void {
    const isKept = this.bytes <= this.options.limitBytes
    this.end({
      kind: 'answer',
      status: this.status,
      headers: this.headers,
      body: isKept ? Buffer.concat(this.pieces) : undefined,
      bodyBytes: this.bytes,
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.end(this.failure(error))
  }

  private failure(error: Error & { code?: string }): AttemptEnd {
    const { message } = error
    if (this.options.signal.aborted) return { kind: 'aborted' }
    if (error instanceof errors.InvalidArgumentError || error instanceof errors.NotSupportedError) {
      return { kind: 'unsendable', message }
    }
    if (this.controller === undefined) return { kind: 'unreachable', message: message || (error.code ?? error.name) }
    if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) {
      return { kind: 'lost', code: 'FUNCTION_TIMEOUT', message }
    }
    return { kind: 'lost', code: this.status === 0 ? PROXY_LOST : 'CONNECTION_LOST', message }
  }

  private end(end: AttemptEnd): void {
    this.options.signal.removeEventListener('abort', this.abort)
    this.options.resolve(end)
  }

  private readonly abort = (): void => {
    this.controller?.abort(new Error('the call was aborted'))
  }
}
