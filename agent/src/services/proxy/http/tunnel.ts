/**
 * Joins a client and an instance after a 101: bytes both ways with backpressure, each half closed on its own.
 *
 * Invariants: 1. bytes that came with the 101 or with the request go first. 2. an end on one side ends that direction
 * only; a failure or close of either side closes both. 3. `onDone` is called once. 4. if nothing goes either way for
 * `idleMs`, both are closed: an upgraded connection counts against the concurrency of its function while it is open.
 */
import type { Socket } from 'node:net'
import type { ResponseHead, ResponseSink, UpstreamConnection } from '../upstream/index.ts'

export interface Upgrade {
  upstream: UpstreamConnection
  /** The instance's 101. */
  head: ResponseHead
  /** What the instance already sent in the new protocol. */
  rest: Buffer
  requestId: string
  onDone: () => void
}

/**
 * @param client the client's socket, and what it already sent in the new protocol.
 * @returns the sink for what the instance sends from now on.
 */
export function openTunnel(client: { socket: Socket; head: Buffer; idleMs: number }, upgrade: Upgrade): ResponseSink {
  const { upstream, head, rest, requestId, onDone } = upgrade
  const { socket } = client
  let lines = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${head.upgrade ?? ''}\r\n`
  for (let i = 0; i < head.headers.length; i += 2) lines += `${head.headers[i]}: ${head.headers[i + 1]}\r\n`
  // What comes from the instance counts too: it is written here.
  socket.setTimeout(client.idleMs, () => socket.destroy())
  socket.write(`${lines}X-Request-Id: ${requestId}\r\n\r\n`, 'latin1')
  if (rest.length > 0) socket.write(rest)
  if (client.head.length > 0) upstream.write(client.head)

  socket.on('data', (piece: Buffer) => {
    if (!upstream.write(piece)) socket.pause()
  })
  socket.on('drain', () => upstream.resume())
  socket.on('end', () => upstream.socket.end())
  socket.once('close', () => {
    upstream.socket.destroySoon()
    onDone()
  })
  upstream.socket.once('close', () => socket.destroySoon())
  socket.resume()

  const ignore = () => {}
  return {
    onData: piece => {
      if (!socket.write(Buffer.from(piece))) upstream.pause()
    },
    onDrain: () => socket.resume(),
    onEnd: () => socket.end(),
    onFailed: () => socket.destroySoon(),
    onConnected: ignore,
    onInformational: ignore,
    onWhole: ignore,
    onHead: ignore,
    onUpgrade: ignore,
  }
}
