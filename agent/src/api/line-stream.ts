/**
 * Newline-delimited JSON over a fastify reply. While there is nothing to say an empty line comes now and then: clients
 * and what stands between give up a connection that is silent (Node's `fetch` after five minutes).
 */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'

const KEEP_ALIVE_MS = 15_000

export interface LineStream {
  /** Aborts when the client goes away. */
  signal: AbortSignal
  write(value: unknown): void
  /** Resolves when the client has caught up. */
  writable(): Promise<void>
  end(): void
}

export function openLineStream(request: FastifyRequest, reply: FastifyReply, keepAliveMs = KEEP_ALIVE_MS): LineStream {
  const abort = new AbortController()
  const body = new PassThrough()
  const timer = setInterval(() => {
    if (body.writable && !body.writableNeedDrain) body.write('\n')
  }, keepAliveMs).unref()
  body.once('close', () => clearInterval(timer))
  request.raw.socket.once('close', () => abort.abort())
  body.once('close', () => abort.abort()).once('error', () => abort.abort())
  void reply.header('content-type', 'application/x-ndjson').header('cache-control', 'no-store').send(body)
  return {
    signal: abort.signal,
    write: value => {
      if (body.writable) body.write(JSON.stringify(value) + '\n')
    },
    writable: async () => {
      if (body.writableNeedDrain) await once(body, 'drain', { signal: abort.signal }).catch(() => undefined)
    },
    end: () => body.end(),
  }
}
