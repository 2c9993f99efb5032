/** The one place from which every client gets its connection: to this machine, or to the server that was chosen. */
import { RyoFaasError } from '../contract/index.ts'
import { AgentClient } from './agent-client.ts'
import { LOCAL, readServers, serverIn, type Server } from './servers.ts'
import { openPort, openTunnel, type Forward } from './ssh-tunnel.ts'

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '[::1]', 'localhost'])
const NOWHERE = { hostname: '', origin: '' }

export interface Choice {
  home: string
  environment: NodeJS.ProcessEnv
  /** `--server`, a name or an address; default: RYO_FAAS_SERVER, else the one that `server use` chose. */
  server?: string | undefined
}

export interface ChosenServer {
  name: string
  server: Server
}

/**
 * @returns undefined for this machine
 * @throws RyoFaasError SERVER_NOT_FOUND, HOME_UNUSABLE; INVALID_OPTION for an address without a token, or not encrypted
 */
export async function chosenServer({ home, environment, server }: Choice): Promise<ChosenServer | undefined> {
  const given = server ?? (environment['RYO_FAAS_SERVER'] || undefined)
  if (given === LOCAL) return undefined
  if (given?.includes('://')) return serverAt(given, environment)
  const file = await readServers(home)
  const name = given ?? file.current
  return name === undefined || name === LOCAL ? undefined : { name, server: serverIn(file, name) }
}

/** A server that was never added, for pipelines: nothing of it is in a file. */
function serverAt(address: string, environment: NodeJS.ProcessEnv): ChosenServer {
  const refuse = (message: string, hint: string) => new RyoFaasError('INVALID_OPTION', message, { hint })
  const { protocol, hostname, origin } = URL.canParse(address) ? new URL(address) : { protocol: '', ...NOWHERE }
  const isLoopback = protocol === 'http:' && LOOPBACK.has(hostname)
  if (protocol !== 'https:' && !isLoopback) {
    throw refuse(
      `"${address}" is no address of a server`,
      'Use https://…, or http://127.0.0.1:PORT if a tunnel of ssh begins there.',
    )
  }
  const token = environment['RYO_FAAS_SERVER_TOKEN']?.trim()
  if (!token) {
    throw refuse(
      `there is no token for ${origin}`,
      'Set RYO_FAAS_SERVER_TOKEN to one that was made there with: ryo-faas token create ci --can deploy',
    )
  }
  return { name: origin, server: { kind: 'https', url: origin, token, addedAt: new Date(0).toISOString() } }
}

interface Use {
  environment: NodeJS.ProcessEnv
  signal?: AbortSignal | undefined
  /** Hears what a request waits for. */
  onWaiting?: ((what: string) => void) | undefined
  /** Nobody is there to answer a question of ssh: it fails instead. */
  isUnattended?: boolean
}

/** @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE, UNSUPPORTED */
export async function connectTo(
  chosen: ChosenServer | undefined,
  { home, ...use }: Choice & Use,
): Promise<AgentClient> {
  const { signal, onWaiting } = use
  if (chosen === undefined) return AgentClient.connect(home, { signal, onWaiting })
  const { name, server } = chosen
  const { token } = server
  if (server.kind === 'https') {
    const { url, ca } = server
    return new AgentClient({ url, token, signal, onWaiting, server: name, ...(ca !== undefined && { ca }) })
  }
  const socketPath = await naming(name, openTunnel({ ...server, port: server.agentPort }, use))
  const url = `http://127.0.0.1:${server.agentPort}`
  return new AgentClient({ url, token, signal, onWaiting, server: name, socketPath })
}

/**
 * Where a browser finds the agent of a server.
 * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
 */
export async function browserAddress(
  { name, server }: ChosenServer,
  use: Use,
): Promise<{ url: string; close(): Promise<void> }> {
  if (server.kind === 'https') return { url: server.url, close: async () => undefined }
  const { port, close } = await naming(name, openPort({ ...server, port: server.agentPort }, use))
  return { url: `http://127.0.0.1:${port}`, close }
}

/**
 * A port of this machine that leads to a port of the server's loopback.
 * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
 */
export async function forwardFrom({ name, server }: ChosenServer, port: number, use: Use): Promise<Forward> {
  if (server.kind === 'ssh') return naming(name, openPort({ ...server, port: server.agentPort }, use, port))
  throw new RyoFaasError(
    'UNSUPPORTED',
    `the server "${name}" is known by its address only, which leads to no other port`,
    {
      hint: 'Add it by ssh: ryo-faas server add user@host',
    },
  )
}

/** Of what fails on the way, the user knows the server by its name. */
async function naming<T>(name: string, opening: Promise<T>): Promise<T> {
  try {
    return await opening
  } catch (error) {
    const { code, message, hint, logs } = RyoFaasError.from(error)
    if (code !== 'SERVER_UNREACHABLE') throw error
    const more = { ...(hint !== undefined && { hint }), ...(logs !== undefined && { logs }), cause: error }
    throw new RyoFaasError(code, `the server "${name}" cannot be reached: ${message}`, more)
  }
}
