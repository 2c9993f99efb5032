/** The one place from which every client gets its connection: to this machine, or to the server that was chosen. */
import { AgentClient } from './agent-client.ts'
import { LOCAL, readServers, serverIn, type Server } from './servers.ts'
import { openPort, openTunnel } from './ssh-tunnel.ts'

export interface Choice {
  home: string
  environment: NodeJS.ProcessEnv
  /** `--server`; default: RYO_FAAS_SERVER, else the one that `server use` chose. */
  server?: string | undefined
}

export interface ChosenServer {
  name: string
  server: Server
}

/**
 * @returns undefined for this machine
 * @throws RyoFaasError SERVER_NOT_FOUND, HOME_UNUSABLE
 */
export async function chosenServer({ home, environment, server }: Choice): Promise<ChosenServer | undefined> {
  const given = server ?? (environment['RYO_FAAS_SERVER'] || undefined)
  if (given === LOCAL) return undefined
  const file = await readServers(home)
  const name = given ?? file.current
  return name === undefined || name === LOCAL ? undefined : { name, server: serverIn(file, name) }
}

/** @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE, UNSUPPORTED */
export async function connectTo(
  chosen: ChosenServer | undefined,
  { home, environment, signal }: Choice & { signal?: AbortSignal },
): Promise<AgentClient> {
  if (chosen === undefined) return AgentClient.connect(home, signal)
  const { name, server } = chosen
  const { token } = server
  if (server.kind === 'https') {
    const { url, ca } = server
    return new AgentClient({ url, token, signal, server: name, ...(ca !== undefined && { ca }) })
  }
  const socketPath = await openTunnel({ ...server, port: server.agentPort }, { environment, signal })
  return new AgentClient({ url: `http://127.0.0.1:${server.agentPort}`, token, signal, server: name, socketPath })
}

/**
 * Where a browser finds the agent of a server.
 * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
 */
export async function browserAddress(
  { server }: ChosenServer,
  use: { environment: NodeJS.ProcessEnv; signal?: AbortSignal },
): Promise<string> {
  if (server.kind === 'https') return server.url
  return `http://127.0.0.1:${await openPort({ ...server, port: server.agentPort }, use)}`
}
