/**
 * How agents reach each other's API: a listener that passes connections on to it. Both sides prove with the cluster key who
 * they are (TLS with a pre-shared key, RFC 5489, with forward secrecy); there are no certificates to make or renew.
 */
import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { pipeline } from 'node:stream'
import { connect as connectTls, createServer, type Server, type TLSSocket } from 'node:tls'

const IDENTITY = 'ryo-faas agent'
/** TLS 1.3 would take other ciphers along, and with them certificates. */
const TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2',
} as const
const HANDSHAKE_MS = 5_000

export class PeerDoor {
  readonly port: number
  readonly #server: Server
  readonly #open = new Set<{ destroy(): void }>()

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  /**
   * @param to port of the API on loopback
   * @throws an error with code EADDRINUSE, EADDRNOTAVAIL
   */
  static async listen({
    peerKey,
    host,
    port,
    to,
  }: {
    peerKey: Buffer
    host: string
    port: number
    to: () => number
  }): Promise<PeerDoor> {
    const server = createServer({
      ...TLS,
      allowHalfOpen: true,
      handshakeTimeout: HANDSHAKE_MS,
      pskCallback: (_socket, identity) => (identity === IDENTITY ? peerKey : null),
    })
    server.listen(port, host)
    await once(server, 'listening')
    const door = new PeerDoor(server)
    server.on('secureConnection', socket => door.#passOn(socket, to()))
    // Who has another key.
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    server.on('error', () => undefined)
    return door
  }

  async close(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    for (const each of this.#open) each.destroy()
    await closed
  }

  #passOn(outside: TLSSocket, port: number): void {
    const inside = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
    for (const socket of [outside, inside]) {
      this.#open.add(socket)
      // Each pipeline has some of its own.
      socket.setMaxListeners(0).once('close', () => this.#open.delete(socket))
    }
    // Each ends the other when it is read to its end, and destroys it if it breaks.
    pipeline(outside, inside, () => undefined)
    pipeline(inside, outside, () => undefined)
  }
}

/**
 * A connection to the API of another agent.
 * @param address `host:port`
 * @throws the error of the connection; who is there and has another key, closes it
 */
export async function connectPeer(address: string, peerKey: Buffer): Promise<TLSSocket> {
  const { hostname, port } = new URL(`tls://${address}`)
  const socket = connectTls({
    ...TLS,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: Number(port),
    pskCallback: () => ({ psk: peerKey, identity: IDENTITY }),
    // There is no certificate: the key proves it.
    checkServerIdentity: () => undefined,
  })
  socket.setTimeout(HANDSHAKE_MS, () => socket.destroy(new Error(`${address} does not respond`)))
  await once(socket, 'secureConnect')
  socket.setTimeout(0).removeAllListeners('timeout')
  return socket
}
