/** `fetch` as part of the running invocation: see `client-span.ts`. Outside an invocation it is plain `fetch`. */
import { running, type RunningInvocation } from '../context.ts'
import { ClientSpan } from './client-span.ts'

const plainFetch = globalThis.fetch

export const tracedFetch: typeof fetch = (input, init) => {
  const invocation = running.getStore()
  return invocation === undefined ? plainFetch(input, init) : fetchWithin(invocation, { input, init })
}

/** To another function, or to the store. */
export const platformFetch: typeof fetch = (input, init) => {
  const invocation = running.getStore()
  if (invocation?.send === undefined) return tracedFetch(input, init)
  return fetchWithin(invocation, { input, init }, invocation.send)
}

function fetchWithin(
  invocation: RunningInvocation,
  { input, init }: { input: Fetched['input']; init: RequestInit | undefined },
  send = plainFetch,
): Promise<Response> {
  const headers = new Headers(init?.headers ?? (isRequest(input) ? input.headers : undefined))
  const span = ClientSpan.begin(invocation, headers)
  return span === undefined ? send(input, init) : recorded(span, { input, init: { ...init, headers }, send })
}

interface Fetched {
  readonly input: Parameters<typeof fetch>[0]
  readonly init: RequestInit
  readonly send: typeof fetch
}

async function recorded(span: ClientSpan, { input, init, send }: Fetched): Promise<Response> {
  const request = () => ({
    method: init.method ?? (isRequest(input) ? input.method : 'GET'),
    url: isRequest(input) ? input.url : String(input),
  })
  try {
    const response = await send(input, init)
    span.end({ status: response.status }, request)
    return response
  } catch (error) {
    span.end({ error }, request)
    throw error
  }
}

function isRequest(input: Fetched['input']): input is Request {
  return typeof input === 'object' && !(input instanceof URL)
}
