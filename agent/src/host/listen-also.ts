import net, { type Server } from 'node:net'

/**
 * Listens at a second address and feeds what connects there to `server`.
 * @throws an error with code EADDRINUSE if the port is taken there
 */
export async function listenAlso(server: Server, address: { host: string; port: number }): Promise<Server> {
  const other = net.createServer({ noDelay: true }, socket => server.emit('connection', socket))
  await new Promise<void>((resolve, reject) => {
    other.once('error', reject)
    other.listen(address, resolve)
  })
  return other
}
