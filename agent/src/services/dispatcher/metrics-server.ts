/**
 * `/metrics`, `/healthz` (the process is up) and `/readyz` (it is connected to the bus and takes calls), for programs on
 * this machine. Invariant: browser pages get no answer, not even through a domain that resolves to us: the metrics name
 * every function.
 */
import http, { type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Registry } from 'prom-client'
import { isFromOtherOrigin, isOurHost } from '../../access/index.ts'

export interface MetricsServer {
  readonly port: number
  close(): Promise<void>
}

export interface MetricsServerOptions {
  host: string
  port: number
  registry: Registry
  isReady: () => boolean
}

/** @throws an error with code EADDRINUSE if the port is taken. */
export async function startMetricsServer(options: MetricsServerOptions): Promise<MetricsServer> {
  const server = http.createServer((request, response) => {
    const { headers, url = '' } = request
    if (!isOurHost(headers.host) || isFromOtherOrigin(headers))
      return answer(response, 403, 'requests from web pages are not allowed')
    respond(url, response, options).catch((error: Error) => answer(response, 500, error.message))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, resolve)
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(url: string, response: ServerResponse, { registry, isReady }: MetricsServerOptions) {
  switch (url.split('?')[0]) {
    case '/metrics':
      response.setHeader('content-type', registry.contentType)
      return answer(response, 200, await registry.metrics())
    case '/healthz':
      return answer(response, 200, 'ok')
    case '/readyz':
      return isReady()
        ? answer(response, 200, 'ready')
        : answer(response, 503, 'not connected to the bus, or shutting down')
    default:
      return answer(response, 404, 'not found')
  }
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status
  response.end(`${text}\n`)
}
