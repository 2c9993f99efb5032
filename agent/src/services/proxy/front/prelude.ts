/**
 * What a connection begins with before TLS: perhaps the header of the PROXY protocol, and a greeting by which an
 * authority is told apart that came to see the answer to a challenge (RFC 8737), because TLS itself chooses a
 * certificate before it knows the protocol.
 *
 * Invariants: 1. What is not for us to read is given back to the stream, byte for byte. 2. A connection that does not
 * get this far within `timeoutMs`, or begins with something else, is closed without a word.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { readProxyHeader, type Peer } from './proxy-header.ts'

export interface Prelude {
  /** Whom the balancer speaks for; absent: whoever is at the other end. */
  peer: Peer | undefined
  /** Whether the client wants `acme-tls/1`. */
  isChallenge: boolean
}

export interface PreludeOptions {
  /** Whether a connection from this address begins with the header. */
  hasHeader: (address: string) => boolean
  looksForChallenges: boolean
  timeoutMs: number
  serve: (socket: Socket, prelude: Prelude) => void
}

const HANDSHAKE = 0x16
const RECORD_HEAD_BYTES = 5
/** RFC 8446 §5.1. */
const MAX_RECORD_BYTES = 16_384
/** A name in the list of protocols, after its length (RFC 7301 §3.1). Whoever has it elsewhere gets no other's bytes. */
const ACME_TLS = Buffer.from('\x0aacme-tls/1')

/** A listener that serves connections once it has read their prelude. */
export function createPreludeServer(options: PreludeOptions): Server {
  return createServer({ noDelay: true }, socket => {
    socket.on('error', () => socket.destroy())
    const { remoteAddress } = socket
    // Without an address it has already ended.
    if (remoteAddress === undefined) return void socket.destroy()
    readPrelude(socket, { ...options, isHeaded: options.hasHeader(remoteAddress) })
  })
}

function readPrelude(
  socket: Socket,
  { isHeaded, looksForChallenges, timeoutMs, serve }: PreludeOptions & { isHeaded: boolean },
): void {
  let bytes = Buffer.alloc(0)
  let peer: Peer | undefined
  let awaitsHeader = isHeaded
  const deadline = setTimeout(() => socket.destroy(), timeoutMs)
  const finish = (isChallenge: boolean): void => {
    clearTimeout(deadline)
    socket.off('readable', read).off('close', giveUp)
    if (bytes.length > 0) socket.unshift(bytes)
    serve(socket, { peer, isChallenge })
  }
  const giveUp = (): void => clearTimeout(deadline)
  const advance = (): void => {
    if (awaitsHeader) {
      const header = readProxyHeader(bytes)
      if (header.kind === 'malformed') return void socket.destroy()
      if (header.kind === 'incomplete') return
      awaitsHeader = false
      peer = header.peer
      bytes = bytes.subarray(header.bytes)
    }
    if (!looksForChallenges) return finish(false)
    const length = greetingBytes(bytes)
    if (length === undefined) return
    finish(bytes.subarray(0, length).includes(ACME_TLS))
  }
  const read = (): void => {
    for (let piece: unknown = socket.read(); piece !== null; piece = socket.read()) {
      bytes = Buffer.concat([bytes, piece as Buffer])
    }
    advance()
  }
  socket.on('close', giveUp)
  socket.once('end', () => socket.destroy())
  if (isHeaded || looksForChallenges) socket.on('readable', read)
  else finish(false)
}

/** How many bytes the first message of a client takes, undefined as long as more are to come; 0 if it is none. */
function greetingBytes(bytes: Buffer): number | undefined {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE) return 0
  if (bytes.length < RECORD_HEAD_BYTES) return undefined
  const length = bytes.readUInt16BE(3)
  if (length > MAX_RECORD_BYTES) return 0
  return bytes.length < RECORD_HEAD_BYTES + length ? undefined : RECORD_HEAD_BYTES + length
}
