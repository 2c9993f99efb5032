/** Route files of Next and Vercel: `GET`, `POST`, … of one module are one function. */
import type { WebHandler } from '../../handlers.ts'
import { mismatch, packageOf, type Adapted, type Surroundings } from './adapter.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** Given if a handler wants the request of Next. */
const NEXT_SERVER = 'next/server'

interface NextServer {
  NextRequest: new (request: Request) => Request
}

type RouteHandler = (request: Request, second: unknown) => Response | Promise<Response>

interface RouteOptions {
  /** The second argument: our context, or an object with a promise of the route's parameters, as in Next. */
  passes: 'context' | 'params'
  /** Only these of the module's. */
  methods?: readonly string[]
}

export function routeModule(exported: unknown, { passes, methods }: RouteOptions, surroundings: Surroundings): Adapted {
  const routes = new Map<string, RouteHandler>()
  for (const method of methods ?? METHODS) {
    const route = (exported as Record<string, unknown>)[method]
    if (typeof route === 'function') routes.set(method, route as RouteHandler)
  }
  if (routes.size === 0) throw mismatch(surroundings, METHODS.join(', '))
  const get = routes.get('GET')
  if (get !== undefined && !routes.has('HEAD')) routes.set('HEAD', get)
  const allow = METHODS.filter(method => method === 'OPTIONS' || routes.has(method)).join(', ')
  if (!routes.has('OPTIONS')) routes.set('OPTIONS', () => new Response(null, { status: 204, headers: { allow } }))

  const own = NEXT_SERVER in surroundings.packages ? packageOf<NextServer>(surroundings, NEXT_SERVER) : undefined
  const handler: WebHandler = (request, context) => {
    const route = routes.get(request.method)
    if (route === undefined) return new Response(null, { status: 405, headers: { allow } })
    const given = own === undefined ? request : new own.NextRequest(request)
    return route(given, passes === 'context' ? context : { params: paramsOf(context.params) })
  }
  return { handler: { style: 'web', handler } }
}

/** Next gives a promise of them; before version 15 they were there at once. */
function paramsOf(params: Readonly<Record<string, string>>): unknown {
  return Object.assign(Promise.resolve({ ...params }), params)
}
