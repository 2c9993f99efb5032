/** Where the agent is asked: its API on loopback and, at the name of the dashboard, behind the proxy's HTTPS. */
import { createApi, FrontDoor, type ApiOptions } from '../api/index.ts'
import { portTaken } from '../host/index.ts'
import { prepareControlPath } from '../routes/index.ts'
import type { TokenStore } from '../tokens/index.ts'
import { dashboardFolder } from './entries.ts'
import { announceAgent } from './home-data.ts'
import { dashboardSocket } from './https-front.ts'
import type { Home } from './launch.ts'
import type { PlatformOptions } from './options.ts'
import type { Started } from './started.ts'

export interface ServedApi extends Pick<ApiOptions, 'token' | 'version' | 'platform' | 'audit' | 'logger'> {
  home: string
  tokens: TokenStore
  state: Home['state']
  build?: string | undefined
  options: PlatformOptions
  /** What is open is added to it. */
  opened: Started
}

/** Resolves once it answers, and its port is written down for clients. @throws RyoFaasError PORT_TAKEN */
export async function serveApi({ home, tokens, state, build, options, opened, ...api }: ServedApi): Promise<void> {
  const { dashboardHost } = options
  const front = dashboardHost === 'none' ? undefined : new FrontDoor(dashboardHost, given => tokens.identify(given))
  const server = await createApi({ ...api, dashboard: dashboardFolder(), front })
  opened.add({ close: () => tokens.close() }, { close: () => server.close() })
  const wanted = state.current.ports['agent'] ?? options.agentPort
  try {
    await server.listen({ host: '127.0.0.1', port: wanted })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw await portTaken('agent', wanted)
    throw error
  }
  if (front !== undefined) {
    const path = dashboardSocket(home)
    await prepareControlPath(path)
    await front.listen(server, path)
    opened.add(front)
  }
  const { port } = server.server.address() as { port: number }
  await state.rememberPort('agent', port)
  const { version } = api
  await announceAgent(home, { port, project: options.project, version, ...(build !== undefined && { build }) })
}
