/** The context of `onStart` and `onStop`: no request, but `store()` and `call()` work there too. */
import { running, type FunctionContext, type RunningInvocation } from '../context.ts'
import { InvocationSpan } from '../spans/invocation-span.ts'
import { consoleOutlet, type Instance } from './instance.ts'
import { createLog } from './invocation-context.ts'

export function runOutsideRequests<T>(
  { options, tracing, outlet = consoleOutlet, send }: Instance,
  run: () => Promise<T>,
): Promise<T> {
  const requestId = crypto.randomUUID()
  const span = new InvocationSpan(tracing, {})
  const context: FunctionContext = {
    name: options.name,
    version: options.version,
    requestId,
    traceId: span.context.traceId,
    attempt: 1,
    signal: new AbortController().signal,
    log: createLog(requestId, outlet),
    remainingMs: () => Infinity,
  }
  const { proxyUrl, storeUrl, token } = options
  const invocation: RunningInvocation = { context, headers: {}, proxyUrl, storeUrl, token, span, send }
  return running.run(invocation, run)
}
