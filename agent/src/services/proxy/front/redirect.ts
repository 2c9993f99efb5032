/**
 * The plain listener in front: sends every request to HTTPS, and shows the answers to the challenges of a certificate
 * authority (RFC 8555 §8.3), which asks for them over HTTP.
 */
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { listenAt } from '../../../host/index.ts'
import type { FrontOptions } from '../options.ts'
import { createPreludeServer } from './prelude.ts'

const CHALLENGE = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,128})$/
const HOST = /^([A-Za-z0-9\-._]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?$/
const TIMEOUT_MS = 10_000

/**
 * @param hasHeader whether a connection from this address begins with the header of the PROXY protocol
 * @throws an error with code EADDRINUSE if the port is taken
 */
export async function startRedirect(
  front: FrontOptions,
  hasHeader: (address: string) => boolean,
): Promise<{ server: Server; close(): Promise<void> } | undefined> {
  const { redirectPort, host } = front
  if (redirectPort === undefined) return undefined
  const options = { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 16 * 1024 }
  const server = http.createServer(options, (request, response) => {
    response.shouldKeepAlive = false
    void answer(request, front).then(({ status, headers, body }) => {
      response.writeHead(status, headers)
      response.end(body)
    })
  })
  const listener = front.proxyProtocol
    ? createPreludeServer({
        ...{ hasHeader, looksForChallenges: false, timeoutMs: TIMEOUT_MS },
        serve: socket => server.emit('connection', socket),
      })
    : server
  listener.maxConnections = front.maxRedirectConnections
  await new Promise<void>((resolve, reject) =>
    listener.once('error', reject).listen(listenAt({ host, port: redirectPort }), resolve),
  )
  return {
    server: listener,
    close: () =>
      new Promise(resolve => {
        listener.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

async function answer({ url = '/', headers }: http.IncomingMessage, front: FrontOptions): Promise<Answer> {
  const token = CHALLENGE.exec(url)?.[1]
  const folders = [front.acme?.answers, front.challenges].filter(folder => folder !== undefined)
  if (token !== undefined && folders.length > 0) {
    const proofs = await Promise.all(
      folders.map(folder => readFile(join(folder, token), 'utf8').catch(() => undefined)),
    )
    const proof = proofs.find(each => each !== undefined)
    return proof === undefined ? plain(404, 'there is no such challenge') : plain(200, proof)
  }
  const name = HOST.exec(headers.host ?? '')?.[1]
  if (name === undefined || !url.startsWith('/')) return plain(400, 'missing or malformed host')
  const port = front.port === 443 ? '' : `:${front.port}`
  // 308 keeps method and body.
  return { ...plain(308, 'this server answers over HTTPS'), headers: { location: `https://${name}${port}${url}` } }
}

function plain(status: number, text: string): Answer {
  return { status, headers: { 'content-type': 'text/plain' }, body: text }
}
