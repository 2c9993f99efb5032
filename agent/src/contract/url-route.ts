/**
 * The path at which a function is reached, as written, besides `/functions/<name>`: segments of text, `:name` for one
 * segment and a final `*` for all the rest.
 */
import { z } from 'zod'

export const HttpMethod = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
export type HttpMethod = z.infer<typeof HttpMethod>

/** First segments of the paths that the proxy serves itself; no pattern reaches them. */
const OWN_SEGMENTS: ReadonlySet<string> = new Set([
  ...['functions', 'async-function', 'calls', 'events', 'healthz', 'readyz', 'metrics', 'openapi.json', '.ryo-faas'],
])

const SEGMENT = String.raw`/(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~-]+|:[A-Za-z_][A-Za-z0-9_]*)`
const PATTERN = new RegExp(`^(?:/|(?:${SEGMENT})+|(?:${SEGMENT})*/\\*)$`)

export const UrlRoute = z
  .string()
  .max(500)
  .regex(PATTERN, 'must be a path such as /orders, /orders/:id or /files/*')
  .refine(pattern => !isOwnPath(pattern), {
    error: ({ input }) => `must not begin with /${firstSegment(String(input))}, which the platform serves`,
  })
  .refine(
    pattern => new Set(paramNames(pattern)).size === paramNames(pattern).length,
    'must not name a parameter twice',
  )

/** Whether the platform serves this path itself. @param path decoded, without query */
export function isOwnPath(path: string): boolean {
  return OWN_SEGMENTS.has(firstSegment(path).toLowerCase())
}

/** In order; `*` for the rest of the path. */
export function paramNames(pattern: string): string[] {
  return pattern.split('/').flatMap(segment => {
    if (segment === '*') return ['*']
    return segment.startsWith(':') ? [segment.slice(1)] : []
  })
}

/** Two patterns with the same shape match the same paths. */
export function shapeOf(pattern: string): string {
  let count = 0
  return pattern
    .split('/')
    .map(segment => (segment.startsWith(':') ? `:p${count++}` : segment))
    .join('/')
}

/** What a function answers to; undefined: any method. */
export function answeredMethods(methods: readonly HttpMethod[] | undefined): ReadonlySet<string> | undefined {
  if (methods === undefined) return undefined
  return new Set<string>(methods.includes('GET') ? [...methods, 'HEAD'] : methods)
}

/** The first of `others` that would be reached at the same path with the same method. */
export function sharingRoute<T extends RoutedEntry>(entry: RoutedEntry, others: readonly T[]): T | undefined {
  const pattern = patternOf(entry)
  if (pattern === undefined) return undefined
  const shape = shapeOf(pattern)
  const own = answeredMethods(entry.methods)
  return others.find(other => {
    const theirPattern = patternOf(other)
    if (theirPattern === undefined || shapeOf(theirPattern) !== shape || !areOnOneHost(entry, other)) return false
    const { methods } = other
    const theirs = answeredMethods(methods)
    return own === undefined || theirs === undefined || [...own].some(method => theirs.has(method))
  })
}

/** Where it is reached besides `/functions/<name>`: a function with host names of its own has all of their paths. */
export function patternOf({ route, domains }: Pick<RoutedEntry, 'route' | 'domains'>): string | undefined {
  return route ?? (domains === undefined ? undefined : '/*')
}

/** Without host names it is the one for all others. */
function areOnOneHost({ domains: own }: RoutedEntry, { domains: theirs }: RoutedEntry): boolean {
  if (own === undefined || theirs === undefined) return own === theirs
  return own.some(domain => theirs.includes(domain))
}

interface RoutedEntry {
  route?: string | undefined
  domains?: readonly string[] | undefined
  methods?: readonly HttpMethod[] | undefined
}

function firstSegment(path: string): string {
  return path.split('/', 2)[1] ?? ''
}
