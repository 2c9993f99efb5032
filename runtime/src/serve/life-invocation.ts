/** The context of `onStart` and `onStop`: no request, but `store()` and `call()` work there too. */
import { running, type FunctionContext, type RunningInvocation } from '../context.ts'
import type { InstanceOptions } from '../options.ts'
import { createLog } from './invocation-context.ts'

export function runOutsideRequests<T>(options: InstanceOptions, run: () => Promise<T>): Promise<T> {
  const requestId = crypto.randomUUID()
  const context: FunctionContext = {
    name: options.name,
    version: options.version,
    requestId,
    attempt: 1,
    signal: new AbortController().signal,
    log: createLog(requestId),
    remainingMs: () => Infinity,
  }
  const { proxyUrl, storeUrl } = options
  const invocation: RunningInvocation = { context, headers: {}, proxyUrl, storeUrl }
  return running.run(invocation, run)
}
