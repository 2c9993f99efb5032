/** The web standard's server: an object with `fetch(request)`, of whatever framework; `scheduled` of a Worker. */
import { ts } from 'ts-morph'
import { problemAt } from '../findings.ts'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { isCallable, isDeclaredBy, makerOf, nameOfType, propertyOf, valueOf } from './origins.ts'

const FRAMEWORKS: readonly [packageName: string, form: string][] = [
  ['hono', 'Hono app'],
  ['h3', 'H3 app'],
  ['graphql-yoga', 'GraphQL Yoga server'],
  ['elysia', 'Elysia app'],
  ['itty-router', 'itty-router app'],
]

export const fetchServer: Dialect = {
  name: 'object with fetch(request)',
  adapters: ['fetchObject'],
  recognize(candidate) {
    const { checker, node, symbol } = candidate
    // A class has static members only.
    if (symbol.flags & ts.SymbolFlags.Class || candidate.type.getConstructSignatures().length > 0) return undefined
    const type = [candidate.type, checker.getAwaitedType(candidate.type)].find(
      one => one && isCallable(propertyOf(checker, { type: one, node }, 'fetch')),
    )
    if (!type) return scheduledAlone(candidate)
    const wrong = problemOf(candidate, propertyOf(checker, { type, node }, 'fetch')!)
    if (wrong !== undefined) {
      return problemAt(node, {
        code: 'wrong-parameters',
        message: `"${candidate.name}" has a method fetch that ${wrong}`,
        hint: 'Expected { fetch(request: Request, env?, ctx?): Response | Promise<Response> }',
      })
    }
    const isScheduled = isCallable(propertyOf(checker, { type, node }, 'scheduled'))
    return { form: formOf(candidate, type), adapter: { name: 'fetchObject' }, ...(isScheduled && { scheduled: 'too' }) }
  },
}

/** A Worker that runs on schedules only. */
function scheduledAlone({ checker, type, node }: Candidate): Recognized | undefined {
  const isScheduled = isCallable(propertyOf(checker, { type, node }, 'scheduled'))
  return isScheduled ? { form: 'Worker', adapter: { name: 'fetchObject' }, scheduled: 'alone' } : undefined
}

function problemOf({ checker, types }: Candidate, fetch: ts.Type): string | undefined {
  let problem: string | undefined
  for (const signature of fetch.getCallSignatures()) {
    const [first] = signature.parameters
    const taken = first && checker.getTypeOfSymbol(first)
    const result = checker.getAwaitedType(signature.getReturnType()) ?? signature.getReturnType()
    if (taken && !isNamed(taken, 'Request') && !checker.isTypeAssignableTo(types.WebRequest, taken)) {
      problem ??= `takes ${checker.typeToString(taken)}, but Request is passed`
    } else if (!isNamed(result, 'Response') && !checker.isTypeAssignableTo(result, types.WebResponse)) {
      problem ??= `returns ${checker.typeToString(result)}, but must return Response or Promise<Response>`
    } else return undefined
  }
  return problem
}

/** Several libraries declare the web's types, with small differences that do not matter at run time. */
function isNamed(type: ts.Type, name: string): boolean {
  if (type.isUnion()) return type.types.every(member => isNamed(member, name))
  return type.symbol?.name === name
}

function formOf({ checker, node, symbol }: Candidate, type: ts.Type): string {
  const maker = makerOf(valueOf(checker, symbol))
  const known = FRAMEWORKS.find(([name]) => isDeclaredBy(type, name) || maker === name)
  if (known) return known[1]
  const fetch = propertyOf(checker, { type, node }, 'fetch')!
  const isWorker =
    nameOfType(type) === 'ExportedHandler' ||
    checker.getPropertyOfType(type, 'scheduled') !== undefined ||
    fetch.getCallSignatures().some(({ parameters }) => parameters.length > 1)
  return isWorker ? 'Worker' : 'Fetch server'
}
