/** Connections of undici over which a token may be sent: each listener has proved itself on the very connection. */
import type { buildConnector } from 'undici'
import { proveListener } from './prove-listener.ts'

/** For a listener under load. */
const PATIENCE_MS = 5_000

/**
 * @param connect makes the connections
 * @param token the operator's, which the listener has to know
 */
export function provenConnector(connect: buildConnector.connector, token: string): buildConnector.connector {
  return (address, made) =>
    connect(address, (error, socket) => {
      if (error !== null) return made(error, null)
      proveListener(socket, { token, port: Number(address.port), patienceMs: PATIENCE_MS }).then(
        () => made(null, socket),
        (unproven: Error) => {
          socket.destroy()
          made(unproven, null)
        },
      )
    })
}
