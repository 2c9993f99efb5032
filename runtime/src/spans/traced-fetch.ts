/** `fetch` as part of the running invocation: see `client-span.ts`. Outside an invocation it is plain `fetch`. */
import { running } from '../context.ts'
import { ClientSpan } from './client-span.ts'

const plainFetch = globalThis.fetch

export const tracedFetch: typeof fetch = (input, init) => {
  const invocation = running.getStore()
  if (invocation === undefined) return plainFetch(input, init)
  const headers = new Headers(init?.headers ?? (isRequest(input) ? input.headers : undefined))
  const span = ClientSpan.begin(invocation, headers)
  return span === undefined ? plainFetch(input, init) : recorded(span, { input, init: { ...init, headers } })
}

interface Fetched {
  readonly input: Parameters<typeof fetch>[0]
  readonly init: RequestInit
}

async function recorded(span: ClientSpan, { input, init }: Fetched): Promise<Response> {
  const request = () => ({
    method: init.method ?? (isRequest(input) ? input.method : 'GET'),
    url: isRequest(input) ? input.url : String(input),
  })
  try {
    const response = await plainFetch(input, init)
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
