/**
 * Lets go of connections on which nothing moves: a body that does not go on, an answer that nobody reads. One look at all
 * of them now and then, where a timeout of Node's for each would be set again with every request and answer.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Looks in the time that a connection may be silent; it is let go up to one of them late. */
const LOOKS = 4

interface Movement {
  bytes: number
  looks: number
}

/** @returns a function that stops looking */
export function endSilentConnections(server: Server, silenceMs: number): () => void {
  const connections = new Map<Socket, Movement>()
  server.on('connection', (socket: Socket) => {
    connections.set(socket, { bytes: 0, looks: 0 })
    socket.once('close', () => connections.delete(socket))
  })
  const look = () => {
    for (const [socket, movement] of connections) {
      const bytes = socket.bytesRead + movedOut(socket)
      movement.looks = bytes === movement.bytes ? movement.looks + 1 : 0
      movement.bytes = bytes
      if (movement.looks > LOOKS) socket.destroy()
    }
  }
  const timer = setInterval(look, silenceMs / LOOKS).unref()
  return () => clearInterval(timer)
}

/** What waits in this process has not moved. */
function movedOut(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength
}
