/**
 * A second address for a server: the gateway of the functions' private network.
 *
 * Linux accepts packets for any of its addresses on any interface, so a gateway's address is not private by itself:
 * containers of other networks, and neighbours that route through this machine, reach it as well.
 *
 * Invariants: 1. a connection whose peer is in none of `peers` is destroyed before a byte of it is read. 2. without
 * `peers` nobody is served. 3. the server's own limit on connections (`maxConnections`) applies here, too.
 */
import { BlockList, createServer, isIPv6, type Server } from 'node:net'
import { z } from 'zod'
import { listenAt } from './handed-sockets.ts'

export const ExtraHost = z.strictObject({
  host: z.string().min(1),
  /** Networks whose members are served there, e.g. `172.18.0.0/16`. */
  peers: z.array(z.union([z.cidrv4(), z.cidrv6()])),
})
export type ExtraHost = z.infer<typeof ExtraHost>

/** Passes connections to `host` on to `server`. */
async function listenAlso(server: Server, { host, peers, port }: ExtraHost & { port: number }): Promise<Server> {
  const isPeer = membersOf(peers)
  // Half open, like an HTTP server: a client may close its side once its request is sent.
  const other = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    if (isPeer(socket.remoteAddress)) server.emit('connection', socket)
    else socket.destroy()
  })
  other.maxConnections = server.maxConnections
  await new Promise<void>((resolve, reject) => {
    other.once('error', reject)
    other.listen(listenAt({ host, port }), resolve)
  })
  return other
}

/**
 * Listens on all of them except those at which the server already listens: `host`, or every address that it stands for.
 * @throws an error with code EADDRINUSE if the port is taken on one; then it listens on none
 */
export async function listenAtAll(
  server: Server,
  { host, port, extraHosts }: { host: string; port: number; extraHosts: readonly ExtraHost[] },
): Promise<Server[]> {
  const others = new Map(extraHosts.filter(extra => !includes(host, extra.host)).map(extra => [extra.host, extra]))
  const listening: Server[] = []
  try {
    for (const extra of others.values()) listening.push(await listenAlso(server, { ...extra, port }))
    return listening
  } catch (error) {
    for (const other of listening) other.close()
    throw error
  }
}

/** Whether who listens at `host` listens at `address`: `0.0.0.0` is all of IPv4, and `::` everything. */
function includes(host: string, address: string): boolean {
  return host === address || host === '::' || (host === '0.0.0.0' && !isIPv6(address))
}

function membersOf(networks: readonly string[]): (address: string | undefined) => boolean {
  const members = new BlockList()
  for (const network of networks) {
    const [address, prefix] = network.split('/') as [string, string]
    members.addSubnet(address, Number(prefix), isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  // Without an address the connection is already closed.
  return address => address !== undefined && members.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}
