/**
 * Closes stalled connections: a body that does not continue, a response that is not read. One periodic check of all
 * of them, where one timeout each would be reset with every request and response.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Checks per silence limit; a connection is closed up to one check late. */
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

/** Data waiting in this process has not moved. */
function movedOut(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength
}
