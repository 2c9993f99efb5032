/**
 * A client as the hop sees it: what it asks, and the way back. Node's own of HTTP/1.1 are such, and those of `http2/`,
 * which put what they read as HTTP/1.1 would.
 */
import type { IncomingHttpHeaders } from 'node:http'

export interface ClientRequest {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly headers: IncomingHttpHeaders
  /** Flat: name, value, … */
  readonly rawHeaders: readonly string[]
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  /** Its last byte has arrived. */
  readonly complete: boolean
  readonly destroyed: boolean
  /** What it came by; with HTTP/2 that is its stream. */
  readonly socket: ClientSocket
  /** Has it answered by a server of HTTP/1.1. Absent: it came from one. */
  handOver?(response: ClientResponse): void
  read(): unknown
  pause(): unknown
  resume(): unknown
  on(event: 'data', listener: (piece: Buffer) => void): this
  on(event: 'end' | 'close', listener: () => void): this
  once(event: 'close', listener: () => void): this
  off(event: 'data', listener: (piece: Buffer) => void): this
  off(event: 'end' | 'close', listener: () => void): this
}

export interface ClientSocket {
  readonly remoteAddress?: string | undefined
  readonly writable: boolean
  cork(): void
  uncork(): void
  destroy(): unknown
}

export interface ClientResponse {
  readonly headersSent: boolean
  /** Of HTTP/1.1: whether another request may follow on the connection. */
  shouldKeepAlive: boolean
  readonly socket: ClientSocket | null
  /** Headers that `writeHead` is given take the place of those of the same name that were set before, all of them. */
  readonly replacesHeaders?: true
  getHeaderNames(): string[]
  setHeader(name: string, value: string): unknown
  appendHeader(name: string, value: string): unknown
  removeHeader(name: string): void
  writeContinue(): void
  writeEarlyHints(hints: Record<string, string | string[]>): void
  writeHead(status: number, headers?: Record<string, string | number> | string[]): ClientResponse
  flushHeaders(): void
  /** @returns false if the caller should wait for `drain` */
  write(piece: Buffer): boolean
  end(body?: string, encoding?: BufferEncoding): unknown
  destroy(): unknown
  on(event: 'close' | 'drain', listener: () => void): unknown
}
