/**
 * The header of the PROXY protocol (versions 1 and 2, haproxy.org/download/3.0/doc/proxy-protocol.txt), with which a load
 * balancer says whose connection it passes on. By hand: the packages on npm take a header that is whole, and finding out
 * whether it is, is the work.
 *
 * Invariant: what is no header is refused at the first byte that shows it; a header is never guessed.
 */
import { isIP } from 'node:net'

export interface Peer {
  address: string
  port: number
}

export type ProxyHeader =
  | { kind: 'incomplete' }
  | { kind: 'malformed' }
  /** `peer` is absent if the balancer speaks for itself (health checks) or cannot say. */
  | { kind: 'header'; bytes: number; peer: Peer | undefined }

const TEXT_START = Buffer.from('PROXY ')
const MAX_TEXT_BYTES = 107
const BINARY_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const BINARY_HEAD_BYTES = 16
/** With what balancers add to the addresses; 65,535 would be allowed. */
const MAX_BINARY_BYTES = 4096
const TEXT = /^PROXY (?:TCP([46]) (\S+) (\S+) (\d{1,5}) (\d{1,5})|UNKNOWN(?: [^\r\n]*)?)\r\n$/
const LOCAL = 0x20
const PROXIED = 0x21
const STREAM_OF = { 0x11: { family: 4, bytes: 12 }, 0x21: { family: 6, bytes: 36 } } as const

export function readProxyHeader(bytes: Buffer): ProxyHeader {
  if (beginsLike(bytes, TEXT_START)) return readText(bytes)
  if (beginsLike(bytes, BINARY_START)) return readBinary(bytes)
  return { kind: 'malformed' }
}

function beginsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length)
  return bytes.subarray(0, length).equals(start.subarray(0, length))
}

function readText(bytes: Buffer): ProxyHeader {
  const end = bytes.subarray(0, MAX_TEXT_BYTES).indexOf('\n')
  if (end === -1) return { kind: bytes.length >= MAX_TEXT_BYTES ? 'malformed' : 'incomplete' }
  const [line, family, address = '', destination = '', ...ports] = TEXT.exec(bytes.toString('latin1', 0, end + 1)) ?? []
  if (line === undefined) return { kind: 'malformed' }
  if (family === undefined) return { kind: 'header', bytes: line.length, peer: undefined }
  const areAddresses = [address, destination].every(each => isIP(each) === Number(family))
  const [port, destinationPort] = ports.map(Number) as [number, number]
  if (!areAddresses || port > 65_535 || destinationPort > 65_535) return { kind: 'malformed' }
  return { kind: 'header', bytes: line.length, peer: { address, port } }
}

function readBinary(bytes: Buffer): ProxyHeader {
  if (bytes.length < BINARY_HEAD_BYTES) return { kind: 'incomplete' }
  const command = bytes[12]!
  const length = BINARY_HEAD_BYTES + bytes.readUInt16BE(14)
  if ((command !== LOCAL && command !== PROXIED) || length > MAX_BINARY_BYTES) return { kind: 'malformed' }
  const of = STREAM_OF[bytes[13] as keyof typeof STREAM_OF] as (typeof STREAM_OF)[keyof typeof STREAM_OF] | undefined
  const isWithPeer = command === PROXIED && of !== undefined
  if (isWithPeer && length < BINARY_HEAD_BYTES + of.bytes) return { kind: 'malformed' }
  if (bytes.length < length) return { kind: 'incomplete' }
  if (!isWithPeer) return { kind: 'header', bytes: length, peer: undefined }
  const addressBytes = of.family === 4 ? 4 : 16
  const address = addressOf(bytes.subarray(BINARY_HEAD_BYTES, BINARY_HEAD_BYTES + addressBytes))
  return {
    kind: 'header',
    bytes: length,
    peer: { address, port: bytes.readUInt16BE(BINARY_HEAD_BYTES + 2 * addressBytes) },
  }
}

/** IPv6 in the form in which Node writes that of a socket. */
function addressOf(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}
