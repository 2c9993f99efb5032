/**
 * HTTPS in front of the proxy: a listener of its own that takes TLS off and hands the connection on, to the proxy's own
 * HTTP server, or, if the client chose HTTP/2, to a door that serves its requests in the same way.
 *
 * Invariants: 1. The plain listeners are untouched: parts and functions use them. 2. A connection whose handshake is
 * not done within `headersTimeoutMs` is closed. 3. The proxy's limits on connections hold here, too. 4. A connection that
 * a balancer passes on is that of the peer which the balancer names, in all that is said of it from here on.
 */
import type http from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type TLSSocket } from 'node:tls'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { DataPlaneOptions, FrontOptions } from '../options.ts'
import { listenAt } from '../../../host/index.ts'
import { PeerShare, plainAddress } from '../access/peer-share.ts'
import { TrustedPeers } from '../access/trusted-peers.ts'
import { CertificateFolders, MIN_VERSION, type ServedCertificate } from './certificates.ts'
import { createChallengeDoor } from './challenge-door.ts'
import { createDashboardRelay } from './dashboard-relay.ts'
import type { Http2Service } from '../http2/index.ts'
import { createHttp2Door } from './http2-door.ts'
import { createPreludeServer } from './prelude.ts'
import type { Peer } from './proxy-header.ts'
import { startRedirect } from './redirect.ts'

/** RFC 6797: a year. Browsers ignore it for addresses and where they do not trust the certificate. */
const STAY_HEADER = 'strict-transport-security'
const STAY = 'max-age=31536000'

export interface SecureFront {
  readonly address: { host: string; port: number }
  readonly certificates: ServedCertificate[]
  readonly listeners: readonly Server[]
  /** Stops accepting; what is in flight goes on. */
  stopAccepting(): void
  /** Resolves when all connections are closed. */
  close(): Promise<void>
  /** Ends the connections of HTTP/2 that are left. */
  closeAllConnections(): void
}

type Limits = Pick<
  DataPlaneOptions,
  'headersTimeoutMs' | 'keepAliveTimeoutMs' | 'maxConnections' | 'maxConnectionsPerPeer' | 'trustProxy'
> & { isExempt: (address: string) => boolean }

/**
 * @param serve answers requests of HTTP/2; absent: `server` does
 * @throws an error with code EADDRINUSE if a port is taken; NO_CERTIFICATE if there is none and none can come
 */
export async function startSecureFront(
  server: http.Server,
  { front, serve, ...limits }: Limits & { front: FrontOptions; serve?: Http2Service['serve'] },
): Promise<SecureFront> {
  const certificates = new CertificateFolders({
    folders: [front.certificates, ...(front.acme ? [front.acme.certificates] : [])],
    onProblem: message => console.error(JSON.stringify({ level: 'warn', part: 'proxy', message })),
  })
  await certificates.load()
  const mayCome = front.challenges !== undefined || front.acme !== undefined
  if (certificates.served.length === 0 && !mayCome) throw noCertificate(front.certificates)
  const headers = [STAY_HEADER, STAY]
  const door = createHttp2Door({ server, serve, headers, ...limits })
  const dashboard = front.dashboard && createDashboardRelay({ ...limits, ...front.dashboard })
  const dashboardDoor = dashboard && createHttp2Door({ server: dashboard, headers, ...limits })
  const tellToStay = (request: IncomingMessage, response: ServerResponse): void => {
    if (isSecure(request.socket)) response.setHeader(STAY_HEADER, STAY)
  }
  for (const each of [server, dashboard]) each?.prependListener('request', tellToStay)
  const secure = createServer({
    ALPNProtocols: ['h2', 'http/1.1'],
    SNICallback: (name, done) => {
      const context = certificates.contextFor(name)
      done(context === undefined ? new Error('no certificate yet') : null, context)
    },
    handshakeTimeout: limits.headersTimeoutMs,
    minVersion: MIN_VERSION,
    noDelay: true,
  })
  const useFirst = (): void => {
    if (certificates.first !== undefined) secure.setSecureContext({ ...certificates.first, minVersion: MIN_VERSION })
  }
  useFirst()
  const trusted = new TrustedPeers(limits.trustProxy)
  const hasHeader = (address: string): boolean => front.proxyProtocol && trusted.has(plainAddress(address))
  // From the first byte on: what is in a handshake, or idle with HTTP/2, is no connection of the server behind.
  const share = new PeerShare({ most: limits.maxConnectionsPerPeer, isExempt: limits.isExempt })
  const listener = front.proxyProtocol || front.acme !== undefined ? preludes() : secure
  listener.maxConnections = limits.maxConnections
  listener.on('connection', (socket: Socket) => share.admit(socket))
  /** Whom balancers speak for, until the handshake is done: by the balancer's own end of the connection. */
  const passedOn = new Map<string, Peer>()
  secure.on('secureConnection', (socket: TLSSocket) => {
    const peer = passedOn.get(endOf(socket))
    if (peer !== undefined) beFrom(socket, peer)
    const isForDashboard = servernameOf(socket) === front.dashboard?.host && dashboard !== undefined
    if (socket.alpnProtocol === 'h2') (isForDashboard ? dashboardDoor! : door).take(socket)
    else (isForDashboard ? dashboard : server).emit('connection', socket)
  })
  // A client that gave up, or speaks no TLS: its connection is closed already.
  secure.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
  await listen(listener, front)
  const { port } = listener.address() as AddressInfo
  const redirect = await startRedirect({ ...front, port }, hasHeader).catch((error: unknown) => {
    listener.close()
    throw error
  })
  function preludes(): Server {
    const challenges = front.acme && createChallengeDoor(front.acme.answers, limits.headersTimeoutMs)
    return createPreludeServer({
      hasHeader,
      looksForChallenges: challenges !== undefined,
      timeoutMs: limits.headersTimeoutMs,
      serve: (socket, { peer, isChallenge }) => {
        if (peer !== undefined) {
          const end = endOf(socket)
          passedOn.set(end, peer)
          socket.once('close', () => passedOn.delete(end))
          if (!share.admit(socket, peer.address)) return
        }
        const behind = isChallenge ? challenges! : secure
        behind.emit('connection', socket)
      },
    })
  }
  let isLoading = false
  const reload = setInterval(() => {
    if (isLoading) return
    isLoading = true
    void certificates
      .load()
      .then(useFirst, () => undefined)
      .finally(() => (isLoading = false))
  }, front.reloadMs).unref()
  let accepted: Promise<unknown> | undefined
  const stopAccepting = (): void => {
    clearInterval(reload)
    const doors = [door.close(), dashboardDoor?.close()]
    // Its streams have no end of their own.
    dashboard?.closeAllConnections()
    accepted ??= Promise.all([new Promise(done => listener.close(done)), redirect?.close(), ...doors])
  }
  return {
    address: { host: front.host, port },
    listeners: [listener, ...(redirect ? [redirect.server] : [])],
    get certificates() {
      return certificates.served
    },
    stopAccepting,
    close: async () => {
      stopAccepting()
      await accepted
    },
    closeAllConnections: () => {
      door.destroy()
      dashboardDoor?.destroy()
    },
  }
}

function endOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** As the client named it in the handshake. */
function servernameOf(socket: TLSSocket): string | undefined {
  const { servername } = socket as { servername?: string | false }
  return typeof servername === 'string' ? servername.toLowerCase() : undefined
}

function beFrom(socket: Socket, { address, port }: Peer): void {
  Object.defineProperties(socket, { remoteAddress: { value: address }, remotePort: { value: port } })
}

function isSecure(socket: object): boolean {
  return 'encrypted' in socket && socket.encrypted === true
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(listenAt({ host, port }), resolve))
}

function noCertificate(folder: string): Error {
  const message = `there is no certificate in ${folder}: it needs NAME.crt and NAME.key`
  return Object.assign(new Error(message), { code: 'NO_CERTIFICATE' })
}
