import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'

/** The address of this machine from which it would reach another one, or itself. Nothing is sent. */
export async function ownAddressTowards(host: string): Promise<string> {
  const { address, family } = await lookup(host.replace(/^\[|\]$/g, ''))
  const socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  try {
    // The port has no meaning.
    socket.connect(9, address)
    await once(socket, 'connect')
    return socket.address().address
  } finally {
    socket.close()
  }
}
