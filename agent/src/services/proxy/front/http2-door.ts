/**
 * Where connections come in whose clients chose HTTP/2.
 *
 * Invariants: 1. Requests are served as those of HTTP/1.1 are: by the hop, or, where that has nothing of its own, by the
 * same server (`handOver`). 2. A connection that is idle for `keepAliveTimeoutMs` is closed.
 */
import type http from 'node:http'
import type { TLSSocket } from 'node:tls'
import { IdSource } from '@ryo-faas/runtime/telemetry'
import { Http2Connection, type Http2Service, type Patience } from '../http2/index.ts'
import { handOver } from './hand-over.ts'

export interface Http2Door {
  /** A connection whose client chose HTTP/2. */
  take(socket: TLSSocket): void
  /** Lets requests in progress finish; resolves when all connections are closed. */
  close(): Promise<void>
  /** Ends what is left. */
  destroy(): void
}

export interface Http2DoorOptions extends Patience {
  /** Answers what is handed over to it. */
  server: http.Server
  /** Absent: everything is handed over. */
  serve?: Http2Service['serve'] | undefined
  headers: readonly string[]
}

const MAX_CHECK_MS = 1_000

export function createHttp2Door(options: Http2DoorOptions): Http2Door {
  const { server, headers, headersTimeoutMs, keepAliveTimeoutMs } = options
  const { serve = (request, response) => request.handOver!(response) } = options
  const ids = new IdSource()
  const connections = new Set<Http2Connection>()
  const waiting: (() => void)[] = []
  let isClosing = false
  const checkMs = Math.max(1, Math.min(MAX_CHECK_MS, headersTimeoutMs / 2, keepAliveTimeoutMs / 2))
  let checks: NodeJS.Timeout | undefined
  const check = (): void => {
    const now = performance.now()
    for (const connection of connections) connection.check(now, options)
  }
  const forget = (connection: Http2Connection): void => {
    connections.delete(connection)
    if (connections.size > 0) return
    clearInterval(checks)
    checks = undefined
    for (const done of waiting.splice(0)) done()
  }
  return {
    take: socket => {
      if (socket.destroyed) return
      const { remoteAddress, remotePort, localAddress, localPort } = socket
      const behind = { server, ends: { remoteAddress, remotePort, localAddress, localPort } }
      const connection = new Http2Connection(socket, {
        ...{ serve, headers, ids },
        handOver: (request, response) => handOver(behind, request, response),
      })
      if (isClosing) connection.leave()
      connections.add(connection)
      checks ??= setInterval(check, checkMs).unref()
      socket.once('close', () => forget(connection))
    },
    close: async () => {
      isClosing = true
      for (const connection of connections) connection.leave()
      if (connections.size > 0) await new Promise<void>(resolve => waiting.push(resolve))
    },
    destroy: () => {
      for (const connection of connections) connection.destroy()
    },
  }
}
