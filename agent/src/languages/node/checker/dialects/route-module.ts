/** Route files of Next and Vercel: the methods of one module are one function. */
import { ts } from 'ts-morph'
import { namedExport, type FoundExport, type ModuleExports } from '../find-export.ts'
import { problemAt, type Finding } from '../findings.ts'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { isDeclaredBy, nameOfType } from './origins.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']
const NEXT_SERVER = 'next/server'
const FORM = 'Expected (request: Request, { params }?: { params: Promise<…> }) => Response | Promise<Response>'

/** Not in the registry, because it is about several exports. */
export const routeModule: Pick<Dialect, 'name' | 'adapters'> = { name: 'Route module', adapters: ['routeModule'] }

/** @returns the methods that the module exports */
export function methodsOf(checker: ts.TypeChecker, exports: ModuleExports): FoundExport[] {
  return METHODS.flatMap(method => {
    const found = namedExport(checker, exports, method)
    return found && !('problem' in found) ? [found] : []
  })
}

export function isMethod(name: string): boolean {
  return METHODS.includes(name)
}

/** @param only the method that deploy.json names; otherwise all are served */
export function recognizeRoutes(routes: Candidate[], only?: string): Recognized | Finding {
  for (const route of routes) {
    const problem = problemOf(route)
    if (problem !== undefined) {
      const message = `"${route.name}" ${problem}, so the methods of this module cannot be served as one function`
      return problemAt(route.node, { code: 'wrong-parameters', message, hint: FORM })
    }
  }
  const hasOurContext = routes.every(takesOurContext)
  const wantsNext = routes.some(({ shapes }) => isNextRequest(shapes[0]!.parameters[0]?.type))
  const [first] = routes
  if (wantsNext && !first!.isInstalled(NEXT_SERVER)) {
    const message = `"${first!.name}" takes a NextRequest, but next is not installed`
    return problemAt(first!.node, { code: 'wrong-parameters', message, hint: `Install next. ${FORM}` })
  }
  const options = {
    passes: hasOurContext ? 'context' : 'params',
    ...(only !== undefined && { methods: [only] }),
  }
  return {
    form: `Route module (${routes.map(({ name }) => name).join(', ')})`,
    adapter: { name: 'routeModule', options, ...(wantsNext && { packages: [NEXT_SERVER] }) },
  }
}

function problemOf({ checker, types, shapes }: Candidate): string | undefined {
  const [shape] = shapes
  if (!shape) return 'cannot be called'
  const [request, second, ...more] = shape.parameters
  const takes = (type: ts.Type, passed: ts.Type) => checker.isTypeAssignableTo(passed, type)
  if (request && !isNextRequest(request.type) && request.type.symbol?.name !== 'Request') {
    if (!takes(request.type, types.WebRequest)) return `takes ${checker.typeToString(request.type)} instead of Request`
  }
  if (second && !second.optional && !takes(second.type, types.Context)) {
    const isOfRoute = checker.getPropertyOfType(second.type, 'params') !== undefined
    if (!isOfRoute) return `requires a parameter "${second.name}" that is not passed`
  }
  const required = more.find(({ optional }) => !optional)
  if (required) return `requires a parameter "${required.name}" that is not passed`
  const results = shape.result.isUnion() ? shape.result.types : [shape.result]
  const isResponse = results.every(
    result => /^(?:Next)?Response$/.test(result.symbol?.name ?? '') || takes(types.WebResponse, result),
  )
  return isResponse ? undefined : `returns ${checker.typeToString(shape.result)} instead of a Response`
}

function takesOurContext({ checker, types, shapes }: Candidate): boolean {
  const second = shapes[0]!.parameters[1]
  return second !== undefined && !isOpen(second.type) && checker.isTypeAssignableTo(types.Context, second.type)
}

function isOpen({ flags }: ts.Type): boolean {
  return (flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) !== 0
}

function isNextRequest(type: ts.Type | undefined): boolean {
  return type !== undefined && isDeclaredBy(type, 'next') && nameOfType(type) === 'NextRequest'
}
