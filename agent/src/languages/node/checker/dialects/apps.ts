/** Apps of the frameworks for Node's requests, exported as they are. */
import { ts } from 'ts-morph'
import type { Candidate, Dialect, Recognized } from './dialect.ts'
import { isCallable, isDeclaredBy, makerOf, propertyOf, valueOf } from './origins.ts'

/** A function of Node's request and response with `use`: it needs no adapter. */
export const connectApp: Dialect = {
  name: 'Express or Connect app',
  adapters: [],
  recognize(candidate) {
    const { type } = candidate
    const maker = untypedMaker(candidate)
    if (maker === 'express') return { form: 'Express app' }
    if (maker === 'connect') return { form: 'Connect app' }
    if (!hasMembers(candidate, type, ['use', 'handle']) && !hasMembers(candidate, type, ['use', 'listen'])) {
      return undefined
    }
    if (!candidate.shapes.some(shape => takesNodePair(candidate, shape.parameters))) return undefined
    return { form: isDeclaredBy(type, 'connect') ? 'Connect app' : 'Express app' }
  },
}

export const koaApp: Dialect = {
  name: 'Koa app',
  adapters: ['koaApp'],
  recognize: candidate =>
    app(candidate, { form: 'Koa app', adapter: 'koaApp', maker: 'koa', members: ['callback', 'use'] }),
}

export const fastifyApp: Dialect = {
  name: 'Fastify app',
  adapters: ['fastifyApp'],
  recognize: candidate =>
    app(candidate, { form: 'Fastify app', adapter: 'fastifyApp', maker: 'fastify', members: ['routing', 'ready'] }),
}

export const nestApp: Dialect = {
  name: 'NestJS app',
  adapters: ['nestApp'],
  recognize: candidate =>
    app(candidate, {
      form: 'NestJS app',
      adapter: 'nestApp',
      maker: '@nestjs/core',
      members: ['getHttpAdapter', 'init'],
    }),
}

interface Look {
  form: string
  adapter: string
  /** Package of which it comes where nothing is typed. */
  maker: string
  /** Methods that it has. */
  members: string[]
}

/** Also as a promise: `export default NestFactory.create(AppModule)`. */
function app(candidate: Candidate, { form, adapter, maker, members }: Look): Recognized | undefined {
  const { checker, type } = candidate
  const awaited = checker.getAwaitedType(type)
  const isIt =
    untypedMaker(candidate) === maker || [type, awaited].some(one => one && hasMembers(candidate, one, members))
  return isIt ? { form, adapter: { name: adapter } } : undefined
}

/** A package without declarations gives values of any type. */
function untypedMaker({ checker, type, symbol }: Candidate): string | undefined {
  const known = checker.getAwaitedType(type) ?? type
  return known.flags & ts.TypeFlags.Any ? makerOf(valueOf(checker, symbol)) : undefined
}

function hasMembers({ checker, node }: Candidate, type: ts.Type, members: string[]): boolean {
  return members.every(name => isCallable(propertyOf(checker, { type, node }, name)))
}

function takesNodePair({ checker, types }: Candidate, parameters: Candidate['shapes'][number]['parameters']): boolean {
  const [request, response, next] = parameters
  if (!request || !response || (next && !next.optional)) return false
  return (
    checker.isTypeAssignableTo(types.NodeRequest, request.type) &&
    checker.isTypeAssignableTo(types.NodeResponse, response.type)
  )
}
