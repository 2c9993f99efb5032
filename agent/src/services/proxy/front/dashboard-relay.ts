/**
 * The dashboard at a host name of its own: what comes over TLS for that name goes to the agent, over a socket that only
 * this user can open, and nowhere else. The agent decides who may see what.
 *
 * Invariant: no function is ever served at this name, so that no page of one is of the same origin
 * (`namesDashboard`, where functions are served).
 */
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'

export interface DashboardRelayOptions {
  host: string
  /** Socket of the agent. */
  socketPath: string
  headersTimeoutMs: number
  keepAliveTimeoutMs: number
}

/** Bodies are a token. */
const MAX_BODY_BYTES = 4096
const OF_ONE_CONNECTION = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'trailer',
]
const NO_STORE = { 'content-type': 'text/plain', 'cache-control': 'no-store' }

/** Whether a request is for the dashboard by its name, wherever it arrived. */
export function namesDashboard(request: Pick<IncomingMessage, 'headers'>, host: string | undefined): boolean {
  return host !== undefined && request.headers.host?.replace(/:\d+$/, '').toLowerCase() === host
}

/** A server for connections whose clients named `host` in their handshake; it does not listen. */
export function createDashboardRelay(options: DashboardRelayOptions): http.Server {
  const { host, socketPath, headersTimeoutMs, keepAliveTimeoutMs } = options
  const server = http.createServer(
    { headersTimeout: headersTimeoutMs, requestTimeout: headersTimeoutMs, maxHeaderSize: 16 * 1024 },
    (request, response) => {
      // A connection for one name that is used for another (RFC 9110 §15.5.20).
      if (!namesDashboard(request, host))
        return void response.writeHead(421, NO_STORE).end('this name is not served here')
      void relay(request, response, socketPath)
    },
  )
  server.keepAliveTimeout = keepAliveTimeoutMs
  server.on('upgrade', (_request, socket) => socket.destroy())
  return server
}

/** The agent is asked once the request is whole: it answers, and ends the connection, as soon as it knows enough. */
async function relay(request: IncomingMessage, response: ServerResponse, socketPath: string): Promise<void> {
  const { method, url, headers, socket } = request
  const passed = Object.entries(headers).filter(
    ([name]) => !OF_ONE_CONNECTION.includes(name) && !name.startsWith('x-forwarded-') && name !== 'forwarded',
  )
  if (Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES || headers['transfer-encoding'] !== undefined) {
    return void response.writeHead(413, NO_STORE).end('the body is too large')
  }
  const body = await buffer(request).catch(() => undefined)
  if (body === undefined) return void response.destroy()
  const asked = http.request({
    ...{ socketPath, method, path: url, agent: false },
    headers: { ...Object.fromEntries(passed), 'x-forwarded-for': socket.remoteAddress },
  })
  response.on('close', () => asked.destroy())
  asked.on('error', () => {
    if (response.headersSent) response.destroy()
    else response.writeHead(503, NO_STORE).end('the agent is not responding; try again in a moment')
  })
  asked.on('response', answer => {
    const kept = Object.entries(answer.headers).filter(([name]) => !OF_ONE_CONNECTION.includes(name))
    response.writeHead(answer.statusCode!, Object.fromEntries(kept))
    answer.on('error', () => response.destroy())
    answer.pipe(response)
  })
  asked.end(body)
}
