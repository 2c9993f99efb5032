/**
 * Finds the function whose deployment names the path of a request. The most specific pattern decides, then the method:
 * `/orders/:id` hides `/orders/*` also from methods that it does not answer. A function with host names is found at these
 * only, and there before one without.
 *
 * Invariant: of two functions with one pattern and method, the first in the table is found. A deploy refuses the second,
 * but a table in between two deployments may hold both.
 */
import FindMyWay from 'find-my-way'
import { answeredMethods, paramNames, shapeOf } from '../../../contract/index.ts'
import type { Route } from '../../../routes/index.ts'

export type RouteMatch =
  /** `params` is undefined if the pattern has none. */
  | { kind: 'found'; name: string; params: Record<string, string> | undefined }
  /** No function with this path answers the method. @param allow the methods that are, as in the header */
  | { kind: 'wrong-method'; allow: string }

interface Candidate {
  name: string
  methods: ReadonlySet<string> | undefined
  paramNames: readonly string[]
}

/** Paths, not methods, are told apart by the library: a tree per method takes milliseconds for each function. */
const ANY = 'GET'

export class UrlRouter {
  private readonly general: PathRouter
  private readonly byDomain: ReadonlyMap<string, PathRouter>

  constructor(routes: readonly Route[]) {
    const domains = new Set(routes.flatMap(route => route.domains ?? []))
    this.general = new PathRouter(routes.filter(route => route.domains === undefined))
    this.byDomain = new Map(
      Array.from(domains, domain => [domain, new PathRouter(routes.filter(route => route.domains?.includes(domain)))]),
    )
  }

  get hasDomains(): boolean {
    return this.byDomain.size > 0
  }

  /** @param host name in lower case; undefined: none that a function has for itself */
  match(method: string, path: string, host?: string): RouteMatch | undefined {
    const own = host === undefined ? undefined : this.byDomain.get(host)?.match(method, path)
    return own ?? this.general.match(method, path)
  }
}

class PathRouter {
  private readonly router = FindMyWay({ ignoreTrailingSlash: true, maxParamLength: 16 * 1024 })

  constructor(routes: readonly Route[]) {
    const shapes = new Map<string, Candidate[]>()
    for (const { name, pattern, methods } of routes) {
      if (pattern === undefined) continue
      const shape = shapeOf(pattern)
      const candidate = { name, methods: answeredMethods(methods), paramNames: paramNames(pattern) }
      const others = shapes.get(shape)
      if (others === undefined) shapes.set(shape, [candidate])
      else others.push(candidate)
    }
    for (const [shape, candidates] of shapes) this.router.on(ANY, shape, () => undefined, candidates)
  }

  match(method: string, path: string): RouteMatch | undefined {
    const found = this.router.find(ANY, path)
    if (found === null) return undefined
    const candidates = found.store as Candidate[]
    const values = Object.values(found.params) as string[]
    // `/orders//` names no order.
    if (values.some((value, index) => value === '' && candidates[0]!.paramNames[index] !== '*')) return undefined
    const candidate = candidates.find(({ methods }) => methods === undefined || methods.has(method))
    if (candidate === undefined) {
      const allowed = new Set(candidates.flatMap(({ methods }) => [...(methods ?? [])]))
      return { kind: 'wrong-method', allow: [...allowed].join(', ') }
    }
    const { name, paramNames: names } = candidate
    const params = names.length === 0 ? undefined : Object.fromEntries(names.map((key, at) => [key, values[at]!]))
    return { kind: 'found', name, params }
  }
}
