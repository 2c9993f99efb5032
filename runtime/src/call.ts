/** Calls another function of the same platform through the proxy, as part of the running invocation. */
import { carriedHeaders } from './carried-headers.ts'
import { currentInvocation } from './context.ts'
import { platformFetch } from './spans/traced-fetch.ts'
import { ENV, FUNCTIONS_PREFIX, NAME_PATTERN, routeOf } from './protocol/index.ts'

export interface CallInit extends RequestInit {
  /** Path and query after the function's name: `/orders/7?full=1`. */
  readonly path?: string
}

/**
 * Sends a request to the function `name` and resolves to its response, whatever its status. Request id, trace and
 * remaining time are passed on, and the call is aborted together with the running invocation.
 */
export async function call(name: string, init: CallInit = {}): Promise<Response> {
  const invocation = currentInvocation('call()')
  const { path, ...rest } = init
  const url = functionUrl(invocation.proxyUrl, name, path)
  const own = invocation.context.signal
  const signal = init.signal ? AbortSignal.any([own, init.signal]) : own
  const headers = carriedHeaders(invocation, init.headers)
  // Its own header, because `Authorization` is the function's. A redirect to elsewhere does not take it along.
  if (invocation.token !== undefined) headers.set('proxy-authorization', `Bearer ${invocation.token}`)
  return platformFetch(url, { ...rest, headers, signal })
}

function functionUrl(proxyUrl: string | undefined, name: string, path = ''): URL {
  if (!proxyUrl) throw new Error(`call('${name}') needs the address of the proxy; is ${ENV.proxyUrl} set?`)
  if (!NAME_PATTERN.test(name)) throw new TypeError(`call('${name}'): not a valid function name`)
  const root = FUNCTIONS_PREFIX + routeOf(name)
  const separator = path === '' || path.startsWith('/') || path.startsWith('?') ? '' : '/'
  const url = new URL(root + separator + path, proxyUrl)
  // `..` in an untrusted path must not reach another function.
  if (url.pathname !== root && !url.pathname.startsWith(root + '/')) {
    throw new TypeError(`call('${name}'): the path '${path}' leaves the function`)
  }
  return url
}
