/** Newline-delimited JSON over a fastify reply. */
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'

export const LINES = 'application/x-ndjson'

export interface LineStream {
  /** Aborts when the client goes away. */
  signal: AbortSignal
  write(value: unknown): void
  /** Resolves when the client has caught up. */
  writable(): Promise<void>
  end(): void
}

/** Readers (undici) give up after five minutes of silence. They skip empty lines. */
const HEARTBEAT_MS = 15_000

export function openLineStream(request: FastifyRequest, reply: FastifyReply): LineStream {
  const abort = new AbortController()
  const body = new PassThrough()
  request.raw.socket.once('close', () => abort.abort())
  body.once('close', () => abort.abort()).once('error', () => abort.abort())
  void reply.header('content-type', LINES).header('cache-control', 'no-store').send(body)
  const beat = () => void (body.writable && !body.writableNeedDrain && body.write('\n'))
  // The first one sends the head.
  beat()
  const heart = setInterval(beat, HEARTBEAT_MS).unref()
  body.once('close', () => clearInterval(heart))
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
