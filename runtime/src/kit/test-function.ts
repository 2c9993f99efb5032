/**
 * Runs one function as the platform would, in the process of its test: through the same server, without a port.
 * Invariants: 1. Functions under test share nothing but what they are given (a store, each other). 2. Nothing stays
 * open: one that is never closed holds neither a port nor the process.
 */
import type {
  CloudEventHandler,
  EventPattern,
  HttpHandler,
  PlainWebHandler,
  TriggerHandler,
  WebHandler,
} from '../handlers.ts'
import { instanceOptions } from '../options.ts'
import { ENV, EVENTS_PATH, HEADERS } from '../protocol/index.ts'
import { handlersOf } from '../serve/function-definition.ts'
import { createFunctionServer } from '../serve/function-server.ts'
import type { Instance } from '../serve/instance.ts'
import { Tracing } from '../telemetry/index.ts'
import { Work } from './background.ts'
import { openEnvironment } from './environment.ts'
import { exchange } from './exchange.ts'
import {
  definitionOf,
  type AnyHandler,
  type ServiceMain,
  type StyleOptions,
  type TestOptions,
  type TriggerSpec,
} from './options.ts'
import type { ForeignStyle } from './styles.ts'
import { TestApp } from './test-app.ts'
import { PROXY_URL, TestCalls } from './test-calls.ts'
import { TestClock } from '../schedules/manual-clock.ts'
import { TestEvents } from './test-events.ts'
import { TestOutlet } from './test-outlet.ts'
import { startSchedules } from './test-schedules.ts'
import { STORE_URL, TestStore } from './test-store.ts'
import { TestTriggers } from './test-triggers.ts'

type NoFunction = object & { readonly bind?: never }

// Those whose options say what they are come first: only so is the parameter of a function in place known.
/** The `main` of a service. */
export function testFunction(main: ServiceMain, options: TestOptions & { readonly style: 'service' }): Promise<TestApp>
/** A trigger: it runs for writes to the store, and for `trigger()`. */
export function testFunction<T>(
  handler: TriggerHandler<T>,
  options: TestOptions & { readonly on: TriggerSpec | readonly TriggerSpec[] },
): Promise<TestApp>
/** A trigger on events: it runs for those that are published, and for `trigger()`. */
export function testFunction<T>(
  handler: CloudEventHandler<T>,
  options: TestOptions & { readonly onEvent: EventPattern | readonly EventPattern[] },
): Promise<TestApp>
/** A web-style handler that takes the context. */
export function testFunction(handler: WebHandler, options: TestOptions & { readonly style: 'web' }): Promise<TestApp>
/** A web-style handler; `context()` returns the context. */
export function testFunction(handler: PlainWebHandler, options?: TestOptions): Promise<TestApp>
/** A node-style handler, or an app of Express and the like. */
export function testFunction(
  handler: HttpHandler,
  options?: TestOptions & { readonly style?: 'node' },
): Promise<TestApp>
/** An app or a module of another platform, which its shape tells. */
export function testFunction(app: NoFunction | PromiseLike<NoFunction>, options?: TestOptions): Promise<TestApp>
/** What another platform would call: see `ForeignStyle`. */
export function testFunction(handler: object, options: TestOptions & { readonly style: ForeignStyle }): Promise<TestApp>
export async function testFunction(handler: AnyHandler, options: StyleOptions = {}): Promise<TestApp> {
  const definition = await definitionOf(handler, options)
  const clock = options.clock instanceof TestClock ? options.clock : new TestClock(options.clock)
  const store = options.store instanceof TestStore ? options.store : new TestStore({ clock })
  if (options.store !== undefined && !(options.store instanceof TestStore)) await store.seed(options.store)
  const environment = openEnvironment({ ...options.env, ...options.secrets })
  const deliveryToken = crypto.randomUUID()
  const outlet = new TestOutlet(options.quiet === true)
  const work = new Work()
  const calls = new TestCalls(options.call ?? {}, work)
  const published = new TestEvents()
  const instance: Instance = {
    options: {
      ...instanceOptions(definition.name, { [ENV.storeUrl]: STORE_URL, [ENV.proxyUrl]: PROXY_URL }),
      deliveryToken,
      timeoutMs: options.timeoutMs ?? 0,
    },
    tracing: new Tracing({ settings: undefined, resource: {} }),
    clock,
    outlet,
    send: (input, init) => {
      const request = new Request(input, init)
      const { origin, pathname } = new URL(request.url)
      if (origin === STORE_URL) return store.answer(request)
      return pathname === EVENTS_PATH ? published.answer(request) : calls.answer(request)
    },
  }
  try {
    const { handlers, stop } = await environment.run(() => handlersOf(definition, instance))
    const server = createFunctionServer(handlers, instance)
    const send = (request: Request): Promise<Response> => {
      const { headers } = request
      if (!headers.has(HEADERS.requestId)) headers.set(HEADERS.requestId, crypto.randomUUID())
      headers.set(HEADERS.delivery, deliveryToken)
      return environment.run(() => exchange(server, request))
    }
    const sending = { send, outlet, work, retries: options.retries ?? 0, name: definition.name, clock }
    const triggers = new TestTriggers({
      ...sending,
      triggers: handlers.served?.triggers ?? listOf(options.on),
      events: handlers.served?.events ?? listOf(options.onEvent),
    })
    const unfollow = store.follow(event => triggers.take(event))
    const schedules = startSchedules({
      ...sending,
      schedules: [options.schedule ?? []].flat(),
      isScheduled: handlers.isScheduled === true,
    })
    published.follow((event, depth) => triggers.takePublished(event, depth))
    const close = async (): Promise<void> => {
      unfollow()
      schedules.stop()
      await environment.run(async () => stop?.())
      environment.close()
    }
    return new TestApp({ send, close, clock, store, calls, published, outlet, work, triggers })
  } catch (error) {
    environment.close()
    throw error
  }
}

function listOf<T>(given: T | readonly T[] | undefined): readonly T[] {
  return given === undefined ? [] : ([given].flat() as T[])
}
