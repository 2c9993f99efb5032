/**
 * Listening sockets that a process leaves to the one that takes its place. Both have the same socket then, and the same
 * queue of connections in the kernel: none is refused, lost or reset when the first one stops accepting.
 *
 * They are inherited as file descriptors from 3 on, and a variable says which is for which address.
 */
import type { Server } from 'node:net'
import { AHEAD } from './ahead-process.ts'
import { spawnDetached, type DetachedCommand, type DetachedProcess } from './detached-process.ts'

const VARIABLE = 'RYO_FAAS_LISTENING'
/** Standard input, output and error come before. */
const FIRST_FD = 3

/**
 * Starts a process that has the sockets of these servers. It waits to begin (`ahead-process.ts`).
 * @throws RyoFaasError PART_FAILED; an error where sockets have no descriptors (Windows)
 */
export async function spawnSuccessor(
  { args, env, ...command }: Omit<DetachedCommand, 'stdin' | 'sockets'>,
  servers: readonly Server[],
): Promise<DetachedProcess> {
  const sockets = servers.map(descriptorOf)
  const addresses = servers.map(addressOf)
  return spawnDetached({
    ...command,
    args: [...args, AHEAD],
    env: { ...env, [VARIABLE]: JSON.stringify(addresses) },
    stdin: 'pipe',
    sockets,
  })
}

/** What `listen` of a server is to be given for this address: the socket that was left to us, if there is one. */
export function listenAt({ host, port }: { host: string; port: number }): { host: string; port: number; fd?: number } {
  const left = process.env[VARIABLE]
  if (left === undefined) return { host, port }
  const index = (JSON.parse(left) as string[]).indexOf(`${host} ${port}`)
  return index < 0 ? { host, port } : { host, port, fd: FIRST_FD + index }
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as { address: string; port: number }
  return `${address} ${port}`
}

/** Of the socket in the kernel; Node has it, and no public name for it. */
function descriptorOf(server: Server): number {
  const fd = (server as unknown as { _handle?: { fd?: number } })._handle?.fd ?? -1
  if (fd < 0) throw new Error('the socket of this server has no file descriptor')
  return fd
}
