/**
 * How many connections one peer may have, so that it cannot take all of them. A peer is an address, or, for IPv6, the
 * 64 bits that a network gives to one client.
 *
 * Many clients may share one address: behind a NAT, which the default allows for; behind a reverse proxy that the
 * operator trusts, or by this machine (where an engine without a private network passes connections on as well), which
 * are not counted. Functions of a private network have addresses of their own and are counted like all others.
 */
import { isIPv4, type Socket } from 'node:net'

export interface PeerShareOptions {
  most: number
  /** Whose connections are not counted. */
  isExempt: (address: string) => boolean
}

export class PeerShare {
  readonly #options: PeerShareOptions
  readonly #openOf = new Map<string, number>()

  constructor(options: PeerShareOptions) {
    this.#options = options
  }

  /**
   * Counts the connection until it is closed, or closes it at once if its peer has its share.
   * @param address of the peer, if another one passes its connection on
   * @returns whether it stays
   */
  admit(socket: Socket, address = socket.remoteAddress): boolean {
    const { most, isExempt } = this.#options
    // Without an address it has already ended.
    if (address === undefined || isExempt(plainAddress(address))) return true
    const peer = peerOf(plainAddress(address))
    const open = this.#openOf.get(peer) ?? 0
    if (open >= most) {
      socket.destroy()
      return false
    }
    this.#openOf.set(peer, open + 1)
    socket.once('close', () => this.#leave(peer))
    return true
  }

  #leave(peer: string): void {
    const open = this.#openOf.get(peer)! - 1
    if (open === 0) this.#openOf.delete(peer)
    else this.#openOf.set(peer, open)
  }
}

/** IPv4 as such, also on a socket that takes both. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}

/** The peer of a `plainAddress`. */
export function isLoopback(address: string): boolean {
  return address === '::1' || (isIPv4(address) && address.startsWith('127.'))
}

/** @param host as in options: an address or a name */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || isLoopback(host)
}

export function peerOf(address: string): string {
  if (isIPv4(address)) return address
  const [head = [], tail = []] = address.split('::').map(half => half.split(':').filter(group => group !== ''))
  const groups = [...head, ...Array<string>(8 - head.length - tail.length).fill('0'), ...tail]
  return `${groups.slice(0, 4).join(':')}::/64`
}
