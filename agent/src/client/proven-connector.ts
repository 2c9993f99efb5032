/** Connections of undici over which a token may be sent, as `ListenerClient` makes them. */
import { rootCertificates } from 'node:tls'
import type { buildConnector } from 'undici'
import type { Door } from './listener-client.ts'
import { proveListener } from './prove-listener.ts'

/** For a listener under load. */
const PATIENCE_MS = 5_000

/** @param build undici's, perhaps with more options */
export function provenConnector(
  build: (options: buildConnector.BuildOptions) => buildConnector.connector,
  { url, token, socketPath, ca }: Door,
): buildConnector.connector {
  const connect = build({
    ...(socketPath !== undefined && { socketPath }),
    ...(ca !== undefined && { ca: [...rootCertificates, ca] }),
  })
  if (url.startsWith('https:')) return connect
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
