/** What the proxy's tests share: a proxy on a free port, instances with real sockets, raw clients. Closed by `end`. */
import http, { type IncomingMessage, type RequestListener } from 'node:http'
import type { Duplex } from 'node:stream'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Rules } from './access/gate.ts'
import { TEST_KEYS } from '../../access/access-testing.ts'
import type { ProxyInput } from './options.ts'
import { createProxy, type Proxy } from './proxy.ts'
import type { RouteInput, RouteInstance } from '../../routes/index.ts'

export { untilTrue as until } from '../../../test/support/until.ts'

export interface TestInstance extends RouteInstance {
  /** Connections that were ever opened to it. */
  connections: Set<Socket>
  /** All bytes that arrived, one character per byte. */
  received: () => string
  close(): Promise<void>
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void

export class Stage {
  private readonly closers: (() => Promise<void> | void)[] = []
  private generation = 0

  async end(): Promise<void> {
    for (const close of this.closers.splice(0).reverse()) await close()
  }

  onEnd(close: () => Promise<void> | void): void {
    this.closers.push(close)
  }

  async proxy(options: ProxyInput = {}, rules: Rules = {}): Promise<Proxy> {
    const proxy = await createProxy({ port: 0, graceMs: 200, access: TEST_KEYS, ...options }, { rules })
    this.onEnd(() => proxy.close())
    return proxy
  }

  /** An instance that speaks HTTP. */
  http(listener: RequestListener, onUpgrade?: UpgradeListener): Promise<TestInstance> {
    const server = http.createServer({ keepAliveTimeout: 60_000 }, listener)
    if (onUpgrade !== undefined) server.on('upgrade', onUpgrade)
    return this.listen(server)
  }

  /** An instance that speaks whatever the test writes. */
  raw(onSocket: (socket: Socket) => void, options: net.ServerOpts = {}): Promise<TestInstance> {
    return this.listen(net.createServer(options, onSocket))
  }

  /** Serves `instances` as the function `fn`, in place of all that was served; those of `http` and `raw` are anonymous. */
  async serve(proxy: Proxy, instances: RouteInstance[], route: Partial<RouteInput> = {}): Promise<void> {
    const addresses = instances.map(({ id, host, port, isFrozen }) => ({ id, host, port, isFrozen }))
    const defaults = { name: 'fn', displayName: 'Fn', version: 1, timeoutMs: 60_000, concurrency: 0, isAnonymous: true }
    await proxy.setRoutes({
      generation: ++this.generation,
      routes: [{ ...defaults, instances: addresses, ...route }],
    })
  }

  private async listen(server: net.Server): Promise<TestInstance> {
    const connections = new Set<Socket>()
    let received = ''
    server.on('connection', socket => {
      connections.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => connections.delete(socket))
      socket.on('data', (piece: Buffer) => (received += piece.toString('latin1')))
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const close = async () => {
      for (const socket of connections) socket.destroy()
      if (server.listening) await new Promise(resolve => server.close(resolve))
    }
    this.onEnd(close)
    const { port } = server.address() as AddressInfo
    return { id: `i${port}`, host: '127.0.0.1', port, connections, received: () => received, close }
  }
}

/** The id of the instance that a request came to, as its own runtime would know it. */
export function idOf(request: IncomingMessage): string {
  return `i${request.socket.localPort}`
}

export interface Answer {
  status: number
  headers: http.IncomingHttpHeaders
  body: string
  /** Code of a platform error. */
  code: string | undefined
}

export async function call(
  proxy: Proxy,
  path: string,
  options: { method?: string; headers?: http.OutgoingHttpHeaders; body?: string | Buffer; agent?: http.Agent } = {},
): Promise<Answer> {
  const { body, ...rest } = options
  const request = http.request({ host: '127.0.0.1', port: proxy.address.port, path, agent: false, ...rest })
  request.end(body)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  return { status: response.statusCode!, headers: response.headers, body: await text(response), code: codeOf(response) }
}

function codeOf(response: IncomingMessage): string | undefined {
  return response.headers['x-ryo-faas-error'] as string | undefined
}

export async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  return Buffer.concat(pieces).toString('latin1')
}

/** Sends `bytes` and returns all that came back until the proxy closed the connection. */
export function exchangeRaw(proxy: Proxy, bytes: string): Promise<string> {
  return new Promise(resolve => {
    let answer = ''
    const socket = net.connect(proxy.address.port, '127.0.0.1', () => socket.write(bytes, 'latin1'))
    socket.on('data', piece => (answer += piece.toString('latin1')))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(answer))
  })
}

/** A port where nothing listens. */
export function closedPort(): Promise<number> {
  return new Promise(resolve => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
