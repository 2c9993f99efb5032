/**
 * Shows a certificate authority the answers to its challenges over TLS (TLS-ALPN-01, RFC 8737): a certificate that says
 * nothing but the answer. After the handshake there is nothing to say.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, createServer, type Server } from 'node:tls'
import type { Socket } from 'node:net'
import { MIN_VERSION } from './certificates.ts'

const DOMAIN = /^[a-z0-9-]+(?:\.[a-z0-9-]+)*$/

/** @param folder with `DOMAIN.pem`, certificate and key */
export function createChallengeDoor(folder: string, handshakeTimeout: number): Server {
  const door = createServer({
    ALPNProtocols: ['acme-tls/1'],
    SNICallback: (name, done) => {
      answerFor(folder, name).then(
        context => done(null, context),
        (error: Error) => done(error),
      )
    },
    handshakeTimeout,
    minVersion: MIN_VERSION,
  })
  door.on('secureConnection', socket => socket.end())
  door.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
  return door
}

async function answerFor(folder: string, name: string) {
  const domain = name.toLowerCase()
  if (!DOMAIN.test(domain)) throw new Error('not the name of a host')
  const both = await readFile(join(folder, `${domain}.pem`))
  return createSecureContext({ cert: both, key: both, minVersion: MIN_VERSION })
}
