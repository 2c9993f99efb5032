/**
 * Handlers in the style of other platforms, under test. The checker tells them apart by type; here their shape says it,
 * or the test.
 */
import type { FunctionDefinition } from '../serve/function-definition.ts'
import * as adapters from '../serve/dialects/index.ts'
import type { Adapter } from '../serve/dialects/index.ts'

interface Style {
  adapter: Adapter
  options?: object
  /** What the adapter needs of the project's packages. */
  packages?: readonly string[]
}

const FRAMEWORK = '@google-cloud/functions-framework'
const GOOGLE = [FRAMEWORK, `${FRAMEWORK}/testing`]

const STYLES = {
  /** An object with `fetch`: a module of Workers, an app of Hono or H3, `Bun.serve` options. */
  fetch: { adapter: adapters.fetchObject },
  /** A whole module of `GET`, `POST` and so on; the second argument is our context. */
  routes: { adapter: adapters.routeModule, options: { passes: 'context' } },
  /** The same with `{ params }` as the second argument. */
  next: { adapter: adapters.routeModule, options: { passes: 'params' } },
  koa: { adapter: adapters.koaApp },
  fastify: { adapter: adapters.fastifyApp },
  nest: { adapter: adapters.nestApp },
  /** A handler or router that wants Express' request and response; an app needs no style. */
  express: { adapter: adapters.expressHandler, packages: ['express'] },
  vercel: { adapter: adapters.vercel },
  openfaas: { adapter: adapters.openfaas },
  /** Events of a function URL or of API Gateway (payload 2.0). */
  lambda: { adapter: adapters.awsLambda, options: { event: 'url' } },
  /** Events of API Gateway (payload 1.0). */
  'lambda-gateway': { adapter: adapters.awsLambda, options: { event: 'gateway' } },
  /** The body is the event. */
  'lambda-payload': { adapter: adapters.awsLambda, options: { event: 'payload' } },
  /** Each request is a record of SQS. */
  'lambda-queue': { adapter: adapters.awsLambda, options: { event: 'queue' } },
  google: { adapter: adapters.functionsFramework, options: { signature: 'http' }, packages: GOOGLE },
  'google-event': { adapter: adapters.functionsFramework, options: { signature: 'cloudEvent' }, packages: GOOGLE },
} satisfies Record<string, Style>

export type ForeignStyle = keyof typeof STYLES

export function isForeign(style: string | undefined): style is ForeignStyle {
  return style !== undefined && Object.hasOwn(STYLES, style)
}

/** The style of what is no function; undefined if nothing can be made of it. */
export async function styleOf(exported: unknown): Promise<ForeignStyle | undefined> {
  const app: unknown = await exported
  if (typeof app !== 'object' || app === null) return undefined
  const does = (member: string) => typeof (app as Record<string, unknown>)[member] === 'function'
  if (does('getHttpAdapter') && does('init')) return 'nest'
  if (does('routing') && does('ready')) return 'fastify'
  if (does('fetch') || does('scheduled')) return 'fetch'
  if (does('callback') && does('use')) return 'koa'
  return ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'].some(does) ? 'routes' : undefined
}

/** @throws Error of Node, if a package of the project is missing */
export async function foreignDefinition(
  name: string,
  handler: unknown,
  style: ForeignStyle,
): Promise<FunctionDefinition> {
  const { adapter, options = {}, packages: specifiers = [] }: Style = STYLES[style]
  const packages: Record<string, unknown> = {}
  for (const specifier of specifiers) packages[specifier] = await import(specifier)
  return { name, style: 'dialect', handler, adapter, options, packages }
}
