/** Serves one handler in this process, on a free port of the loopback interface, for tests. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import type { HttpHandler, WebHandler } from '../handlers.ts'
import { instanceOptions, type InstanceOptions } from '../options.ts'
import { ENV, HEADERS } from '../protocol/index.ts'
import { patienceOf, type Patience } from '../serve/drain.ts'
import { createFunctionServer, type FunctionServer } from '../serve/function-server.ts'
import { Tracing } from '../telemetry/index.ts'
import type { Adapter } from '../serve/dialects/index.ts'
import { adaptedHandler, singleHandler, type HandlerSet } from '../serve/handler-set.ts'

/** What the platform sends along with events and asynchronous calls. */
export const DELIVERED = { [HEADERS.delivery]: 'delivery-token-of-the-tests' } as const

export interface ServedHandler extends AsyncDisposable {
  readonly server: FunctionServer
  readonly port: number
  readonly url: string
}

export async function serveNode(
  handler: HttpHandler,
  overrides: Partial<InstanceOptions> = {},
): Promise<ServedHandler> {
  return serve(singleHandler({ style: 'node', takesContext: true, handler }), overrides)
}

export async function serveWeb(handler: WebHandler, overrides: Partial<InstanceOptions> = {}): Promise<ServedHandler> {
  return serve(singleHandler({ style: 'web', handler }), overrides)
}

export async function serveHandlers(
  handlers: HandlerSet,
  overrides: Partial<InstanceOptions> = {},
): Promise<ServedHandler> {
  return serve(handlers, overrides)
}

/** What a dialect's adapter makes of an export. */
export async function serveDialect<Options>(
  adapter: Adapter<Options>,
  exported: unknown,
  { options, packages = {}, ...overrides }: { options?: Options; packages?: object } & Partial<InstanceOptions> = {},
): Promise<ServedHandler> {
  const surroundings = { name: 'Tested', version: 3, env: { GREETING: 'hi' }, packages: packages as never }
  const adapted = await adapter(exported, options as Options, surroundings)
  const served = await serve(adaptedHandler(adapted), overrides)
  const dispose = async () => {
    await served[Symbol.asyncDispose]()
    await adapted.stop?.()
  }
  return { ...served, [Symbol.asyncDispose]: dispose }
}

export interface ReceivedResponse {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One request whose connection is not reused, unless `options` contain an agent. */
export async function send(
  port: number,
  options: RequestOptions = {},
  body?: string | Buffer,
): Promise<ReceivedResponse> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, agent: false, ...options })
    request.on('response', resolve).on('error', reject).end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }
}

function testInstance(overrides: Partial<InstanceOptions>) {
  const defaults = instanceOptions('Tested', { [ENV.deliveryToken]: DELIVERED[HEADERS.delivery] })
  const options = { ...defaults, version: 3, instance: 'i1', host: '127.0.0.1', port: 0, drainMs: 100, ...overrides }
  const tracing = new Tracing({ settings: options.traces, resource: { 'service.name': 'Tested' } })
  return { options, tracing, patience: patienceOf(options.drainMs) }
}

async function serve(handlers: HandlerSet, overrides: Partial<InstanceOptions>): Promise<ServedHandler> {
  const instance = testInstance(overrides)
  const server = createFunctionServer(handlers, instance)
  const port = await server.listen()
  const dispose = async () => {
    // After a test nobody is waited for.
    Object.assign(instance.patience, { lameDuckMs: 0, drainMs: 0, graceMs: 0 } satisfies Patience)
    await server.drain()
    await instance.tracing.close()
  }
  return { server, port, url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: dispose }
}
