/** Apps that answer Node's requests, but are not functions themselves: Koa, Fastify, NestJS. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { mismatch, packageOf, type Adapted, type Surroundings } from './adapter.ts'

export type Listener = (request: IncomingMessage, response: ServerResponse) => unknown

interface FastifyApp {
  ready(): PromiseLike<unknown>
  routing: Listener
  close(): PromiseLike<unknown>
}

interface NestApp {
  init(): Promise<unknown>
  getHttpAdapter(): { getInstance(): unknown }
  close(): Promise<unknown>
}

export async function koaApp(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const app = (await exported) as { callback(): Listener } | undefined
  if (typeof app?.callback !== 'function') throw mismatch(surroundings, 'a Koa app')
  return { handler: nodeApp(app.callback()) }
}

/** Its `onClose` hooks run after the last request. */
export async function fastifyApp(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  // An instance is a thenable that resolves when it is ready, to nothing.
  const given: unknown = isFastify(exported) ? exported : await exported
  if (!isFastify(given)) throw mismatch(surroundings, 'a Fastify app')
  await given.ready()
  return {
    handler: nodeApp((request, response) => void given.routing(request, response)),
    stop: async () => void (await given.close()),
  }
}

/** On Express or on Fastify. Its lifecycle hooks run before the first and after the last request. */
export async function nestApp(exported: unknown, _options: unknown, surroundings: Surroundings): Promise<Adapted> {
  const app = (await exported) as NestApp | undefined
  if (typeof app?.getHttpAdapter !== 'function') throw mismatch(surroundings, 'a NestJS app')
  await app.init()
  const instance = app.getHttpAdapter().getInstance()
  const stop = async (): Promise<void> => void (await app.close())
  if (typeof instance === 'function') return { handler: nodeApp(instance as Listener), stop }
  const { handler } = await fastifyApp(instance, undefined, surroundings)
  return { handler, stop }
}

interface ExpressApp extends Listener {
  use(...handlers: unknown[]): this
}

type Express = (() => ExpressApp) & Record<'json' | 'urlencoded' | 'text', (options?: object) => unknown>

/**
 * A handler or a router that wants Express' request and response, in an app of the user's own Express, where bodies of
 * JSON, forms and text are parsed: it has no other place to say so.
 */
export function expressHandler(exported: unknown, _options: unknown, surroundings: Surroundings): Adapted {
  if (typeof exported !== 'function') throw mismatch(surroundings, 'a handler')
  const express = packageOf<Express>(surroundings, 'express')
  const app = express().use(express.json(), express.urlencoded({ extended: true }), express.text(), exported)
  return { handler: nodeApp(app) }
}

interface FunctionsFramework {
  http(name: string, handler: unknown): void
  cloudEvent(name: string, handler: unknown): void
}

interface FrameworkTesting {
  getTestServer(name: string): { emit(event: 'request', ...exchange: Parameters<Listener>): boolean }
}

/** Absent `signature`: the module registers `target` itself. */
interface FrameworkOptions {
  signature?: 'http' | 'cloudEvent'
  target?: string
}

/** Google's functions-framework: its own server, which never listens, answers what it would answer. */
export function functionsFramework(
  exported: unknown,
  { signature, target = 'function' }: FrameworkOptions,
  surroundings: Surroundings,
): Adapted {
  if (signature !== undefined) {
    packageOf<FunctionsFramework>(surroundings, '@google-cloud/functions-framework')[signature](target, exported)
  }
  const { getTestServer } = packageOf<FrameworkTesting>(surroundings, '@google-cloud/functions-framework/testing')
  const server = getTestServer(target)
  return { handler: nodeApp((request, response) => void server.emit('request', request, response)) }
}

function nodeApp(handler: Listener): Adapted['handler'] {
  return { style: 'node', takesContext: false, handler }
}

function isFastify(value: unknown): value is FastifyApp {
  return typeof (value as FastifyApp | undefined)?.routing === 'function'
}
