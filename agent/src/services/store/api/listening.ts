/** Where the server listens, and how it ends: requests in flight are finished, new ones are refused. */
import type { AddressInfo, Server } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { listenAtAll } from '../../../host/index.ts'
import type { StoreOptions } from '../options.ts'

export interface Listening {
  readonly port: number
  /** Resolves once all connections are closed, after `graceMs` at the latest. */
  close(): Promise<void>
}

const DRAIN_POLL_MS = 20

/** @throws an error with code EADDRINUSE if the port is taken on one of the addresses. */
export async function listen(app: FastifyInstance, options: StoreOptions): Promise<Listening> {
  const { host, extraHosts, graceMs } = options
  await app.listen({ host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  let others: Server[]
  try {
    others = await listenAtAll(app.server, { host, port, extraHosts })
  } catch (error) {
    await app.close()
    throw error
  }
  return {
    port,
    close: async () => {
      for (const other of others) other.close()
      const closed = new Promise<void>(resolve => app.server.close(() => resolve()))
      const timer = setTimeout(() => app.server.closeAllConnections(), graceMs)
      const poll = setInterval(() => app.server.closeIdleConnections(), DRAIN_POLL_MS)
      app.server.closeIdleConnections()
      await closed
      clearTimeout(timer)
      clearInterval(poll)
      await app.close()
    },
  }
}
