/** The context of `onStart` and `onStop`: no request, but `store()` and `call()` work there too. */
import { running, type FunctionContext, type RunningInvocation } from '../context.ts'
import { InvocationSpan } from '../spans/invocation-span.ts'
import { consoleOutlet, type Instance } from './instance.ts'
import { createLog } from './invocation-context.ts'

export async function runOutsideRequests<T>(
  { options, tracing, outlet = consoleOutlet, send }: Instance,
  run: () => Promise<T>,
): Promise<T> {
  const requestId = crypto.randomUUID()
  const span = new InvocationSpan(tracing, {})
  const background: PromiseLike<unknown>[] = []
  const context: FunctionContext = {
    name: options.name,
    version: options.version,
    requestId,
    traceId: span.context.traceId,
    attempt: 1,
    signal: new AbortController().signal,
    log: createLog(requestId, outlet),
    params: {},
    waitUntil: work => void background.push(work),
    remainingMs: () => Infinity,
  }
  const { proxyUrl, storeUrl, token } = options
  const invocation: RunningInvocation = { context, headers: {}, proxyUrl, storeUrl, token, span, send }
  const result = await running.run(invocation, run)
  for (const settled of await Promise.allSettled(background)) {
    if (settled.status === 'fulfilled') continue
    outlet.error(`Background work of ${options.name} failed:`, settled.reason, requestId)
  }
  return result
}
