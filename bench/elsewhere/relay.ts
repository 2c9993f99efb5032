/** A way that takes its time: what comes on one side goes out on the other so many milliseconds later. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Stage } from '../support/stage.ts'

/** @returns the port of loopback that leads to `to`, `delayMs` away in each direction */
export async function startRelay(stage: Stage, to: number, delayMs: number): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer(near => {
    near.pause()
    // A connection is made by a message there and one back.
    setTimeout(() => {
      const far = connect(to, '127.0.0.1')
      for (const socket of [near, far]) {
        socket.setNoDelay(true)
        sockets.add(socket)
        socket.on('error', () => socket.destroy())
        socket.on('close', () => sockets.delete(socket))
      }
      pass(near, far, delayMs)
      pass(far, near, delayMs)
    }, 2 * delayMs)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  stage.onEnd(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/** Timers of one length fire in order. */
function pass(from: Socket, to: Socket, delayMs: number): void {
  from.on('data', piece => void setTimeout(() => to.write(piece), delayMs))
  from.on('close', () => void setTimeout(() => to.end(), delayMs))
  from.resume()
}
