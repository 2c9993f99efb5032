/** How other machines of a network reach this one. */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'

/**
 * The address of this machine from which it would reach another one, or itself. Nothing is sent.
 * @throws an error with code ENETUNREACH, EHOSTUNREACH
 */
export async function ownAddressTowards(address: string): Promise<string> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    // The port has no meaning.
    socket.connect(9, address)
    await once(socket, 'connect')
    return socket.address().address
  } finally {
    socket.close()
  }
}
