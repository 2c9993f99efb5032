/**
 * The `service` of `main(service)`. Invariants: 1. All is registered before the instance listens; later calls throw.
 * 2. A mistake (a path twice, a key twice, an empty list) fails the start with an error that names it.
 */
import type {
  CloudEventHandler,
  DocumentEventKind,
  EventPattern,
  HttpHandler,
  PlainWebHandler,
  RouteOptions,
  Service,
  TriggerHandler,
  TriggerOptions,
  WebHandler,
} from '../handlers.ts'
import { DOCUMENT_EVENT_KINDS, findPath, type ServedHandlers } from '../protocol/index.ts'
import type { EventHandler, HandlerSet, RequestHandler } from './handler-set.ts'

const KEY = /^[A-Za-z0-9_-]{1,63}$/

type AnyHandler = HttpHandler | WebHandler | PlainWebHandler
type Run = () => void | Promise<void>

export class ServiceRegistration implements Service, HandlerSet {
  readonly triggers = new Map<string, EventHandler>()
  readonly served: ServedHandlers = { http: [], async: [], triggers: [] }
  readonly #routes = new Map<string, RequestHandler>()
  readonly #onStart: Run[] = []
  readonly #onStop: Run[] = []
  #isClosed = false

  http(path: string, handler: AnyHandler, options: RouteOptions = {}): Service {
    this.served.http.push(this.#route('http', path, { handler, ...options }))
    return this
  }

  async(path: string, handler: AnyHandler, options: RouteOptions = {}): Service {
    this.served.async.push(this.#route('async', path, { handler, ...options }))
    return this
  }

  on<T>(
    table: string,
    events: readonly DocumentEventKind[],
    handler: TriggerHandler<T>,
    { ids, name }: TriggerOptions = {},
  ): Service {
    const what = `service.on(${JSON.stringify(table)})`
    this.#check(what, handler)
    if (typeof table !== 'string' || table === '') throw new TypeError(`${what} needs the name of a table`)
    if (!(events?.length > 0)) throw new TypeError(`${what} needs a list of events`)
    const unknown = events.find(kind => !DOCUMENT_EVENT_KINDS.includes(kind))
    if (unknown !== undefined)
      throw new TypeError(`${what} knows ${DOCUMENT_EVENT_KINDS.join(', ')} but not '${unknown}'`)
    if (ids?.length === 0) throw new TypeError(`${what} has an empty list of ids: it would never run`)
    const key = this.#keyOf(what, handler.name, name)
    this.triggers.set(key, { handler: handler as TriggerHandler })
    this.served.triggers.push({ key, table, events: [...new Set(events)], ...(ids && { ids: [...new Set(ids)] }) })
    return this
  }

  onEvent<T>(
    events: string | EventPattern,
    handler: CloudEventHandler<T>,
    { name }: Pick<TriggerOptions, 'name'> = {},
  ): Service {
    const { type, source } = typeof events === 'string' ? { type: events } : (events ?? {})
    const what = `service.onEvent(${JSON.stringify(type)})`
    this.#check(what, handler)
    if (typeof type !== 'string' || type === '') throw new TypeError(`${what} needs a type of events`)
    for (const pattern of [type, source ?? '']) {
      if (pattern.slice(0, -1).includes('*'))
        throw new TypeError(`${what}: "*" may stand only at the end of "${pattern}"`)
    }
    const key = this.#keyOf(what, handler.name, name)
    this.triggers.set(key, { takesCloudEvent: true, handler: handler as CloudEventHandler })
    const { served } = this
    ;(served.events ??= []).push({ key, type, ...(source !== undefined && { source }) })
    return this
  }

  onStart(run: Run): Service {
    this.#check('service.onStart()', run)
    this.#onStart.push(run)
    return this
  }

  onStop(run: Run): Service {
    this.#check('service.onStop()', run)
    this.#onStop.push(run)
    return this
  }

  /** Runs the `onStart` handlers in the order of registration. */
  async start(): Promise<void> {
    this.#isClosed = true
    for (const run of this.#onStart) await run()
  }

  /** In reverse order; a failure does not stop the others. */
  async stop(): Promise<void> {
    for (const run of this.#onStop.toReversed()) {
      try {
        await run()
      } catch (error) {
        console.error('service.onStop() failed:', error)
      }
    }
  }

  find(url: string): RequestHandler | string {
    return findPath(this.#routes, url) ?? this.#nothingThere()
  }

  #nothingThere(): string {
    const paths = [...this.#routes.keys()]
    return paths.length === 0
      ? 'This service does not answer requests.'
      : `This service answers at ${paths.join(', ')}.`
  }

  #route(method: 'http' | 'async', given: string, { handler, style }: RouteOptions & { handler: AnyHandler }): string {
    const what = `service.${method}(${JSON.stringify(given)})`
    this.#check(what, handler)
    if (typeof given !== 'string' || !/^\/[^?#]*$/.test(given)) {
      throw new TypeError(`${what} needs a path that starts with / and has no query`)
    }
    const path = given.replace(/\/+$/, '') || '/'
    if (this.#routes.has(path)) throw new Error(`${what}: ${path} is already served`)
    const chosen = style ?? (handler.length >= 2 ? 'node' : 'web')
    this.#routes.set(path, { style: chosen, takesContext: !isApp(handler), handler } as RequestHandler)
    return path
  }

  #check(what: string, handler: unknown): void {
    if (this.#isClosed) throw new Error(`${what} was called too late: register everything before main() ends`)
    if (typeof handler !== 'function') throw new TypeError(`${what} needs a function, not ${typeof handler}`)
  }

  #keyOf(what: string, handlerName: string, given: string | undefined): string {
    if (given !== undefined) {
      if (!KEY.test(given))
        throw new TypeError(`${what}: the name '${given}' may only contain letters, digits, _ and -`)
      if (this.triggers.has(given)) throw new Error(`${what}: another handler is named '${given}'`)
      return given
    }
    const base = handlerName.replace(/[^A-Za-z0-9_-]/g, '_').slice(0, 50) || 'handler'
    let key = base
    for (let count = 2; this.triggers.has(key); count++) key = `${base}-${count}`
    return key
  }
}

/** An app or a router of Express or Connect: a function that delegates to its `handle`, with `next` as third. */
export function isApp(handler: AnyHandler): boolean {
  return 'handle' in handler && typeof handler.handle === 'function'
}
