/** The shapes of user code that the platform can run. Types only: the checker and the loader decide which one it is. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FunctionContext } from './context.ts'
import type { CloudEvent } from './protocol/cloud-event.ts'
import type { DocumentEventKind } from './protocol/document-event.ts'

export type { CloudEvent, DocumentEventKind }

/**
 * Node style: responds through `response`, now or later; the invocation lasts until the response has ended. Apps of
 * Express and the like are Node style, too; the context is passed only to a handler that declares a parameter for it.
 */
export type HttpHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  context: FunctionContext,
) => void | Promise<void>

/** Web style: returns a Fetch `Response`, whose body may stream. */
export type WebHandler = (request: Request, context: FunctionContext) => Response | Promise<Response>

/** A change of one document in the store. `T` is the shape of the document's `data`. */
export interface DocumentEvent<T = unknown> {
  readonly kind: DocumentEventKind
  readonly table: string
  /** Id of the document. */
  readonly id: string
  /** Version of the document after the change, counting from 1; a deletion counts as a version. */
  readonly version: number
  /** The data before the change; absent for `new-doc`. */
  readonly before?: T
  /** The data after the change; absent for `deleted-doc`. */
  readonly after?: T
  /** When the change was written, ISO 8601. */
  readonly time: string
  /** Position in the store's log, counting from 1 over all tables. An event delivered twice has the same one. */
  readonly sequence: number
}

/**
 * Runs at least once for each matching change, and for changes of the same document one after the other; a rejection
 * means "try again".
 */
export type TriggerHandler<T = unknown> = (event: DocumentEvent<T>, context: FunctionContext) => void | Promise<void>

/**
 * Runs at least once for each event from elsewhere, and for those of one source and subject one after the other; a
 * rejection means "try again". On a trigger for documents, `T` is a `DocumentEvent`.
 */
export type CloudEventHandler<T = unknown> = (event: CloudEvent<T>, context: FunctionContext) => void | Promise<void>

/** A web-style handler without a second parameter; `context()` returns the context. */
export type PlainWebHandler = (request: Request) => Response | Promise<Response>

export interface RouteOptions {
  /** How the handler is called. Default: `node` if it declares two or more parameters, else `web`. */
  readonly style?: 'node' | 'web'
}

export interface TriggerOptions {
  /** Only these documents. */
  readonly ids?: readonly string[]
  /**
   * Name under which its progress is kept across deployments: letters, digits, `_`, `-`. Default: the handler's name.
   */
  readonly name?: string
}

/** Events that a handler is for. A final `*` stands for any text. */
export interface EventPattern {
  /** `com.example.order.paid`, `com.example.*` */
  readonly type: string
  /** Default: any. */
  readonly source?: string
}

/** Passed to `main(service)` to register handlers. Every method returns the service, for chaining. */
export interface Service {
  /** Serves `path` and everything below it; the longest match wins. The handler sees the whole path. */
  http(path: string, handler: PlainWebHandler): Service
  http(path: string, handler: HttpHandler): Service
  http(path: string, handler: WebHandler, options: { readonly style: 'web' }): Service
  http(path: string, handler: HttpHandler, options: { readonly style: 'node' }): Service
  /**
   * Serves `path` asynchronously: queued durably, retried, with the result sent to a callback and kept at
   * `/calls/<id>`.
   */
  async(path: string, handler: PlainWebHandler): Service
  async(path: string, handler: HttpHandler): Service
  async(path: string, handler: WebHandler, options: { readonly style: 'web' }): Service
  async(path: string, handler: HttpHandler, options: { readonly style: 'node' }): Service
  /** Runs `handler` for changes of `table`; without `ids`, for every document. */
  on<T = unknown>(
    table: string,
    events: readonly DocumentEventKind[],
    handler: TriggerHandler<T>,
    options?: TriggerOptions,
  ): Service
  /** Runs `handler` for events of this type, which others publish or post to the proxy. */
  onEvent<T = unknown>(
    events: string | EventPattern,
    handler: CloudEventHandler<T>,
    options?: Pick<TriggerOptions, 'name'>,
  ): Service
  /** Runs before the instance accepts its first request; a rejection fails the start. */
  onStart(run: () => void | Promise<void>): Service
  /** Runs after the last request of a draining instance, before it exits. */
  onStop(run: () => void | Promise<void>): Service
}
