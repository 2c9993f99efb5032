/**
 * Whose platform this window works with: the one of this machine, or of a server that the user added. What differs
 * between them is here; everybody else asks for a client and does not know.
 */
import {
  AgentClient,
  browserAddress,
  connectTo,
  forwardFrom,
  readAgentFile,
  type ChosenServer,
  type Forward,
} from 'ryo-faas/client'
import { RyoFaasError } from 'ryo-faas/contract'

export interface Machine {
  /** Its name; undefined: this machine. */
  readonly server: string | undefined
  /** The same one, reached in the same way, has the same key. */
  readonly key: string
  /**
   * @returns undefined if no platform was started here; on a server this is not known before it is asked something
   * @throws RyoFaasError SERVER_UNREACHABLE, SERVER_NOT_FOUND, UNSUPPORTED
   */
  connect(signal?: AbortSignal): Promise<AgentClient | undefined>
  /**
   * Where a browser finds the agent, and the token for it.
   * @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE
   */
  browserDoor(): Promise<{ url: string; token: string }>
  /**
   * A port here that leads to a port of its loopback.
   * @throws RyoFaasError SERVER_UNREACHABLE, UNSUPPORTED
   */
  forward(port: number): Promise<Forward>
}

export function thisMachine(home: string): Machine {
  return {
    server: undefined,
    key: 'local',
    connect: async signal => {
      const found = await readAgentFile(home)
      return found && new AgentClient({ url: found.agent.url, token: found.token, signal })
    },
    browserDoor: async () => {
      const found = await readAgentFile(home)
      if (found === undefined) throw new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running')
      return { url: found.agent.url, token: found.token }
    },
    forward: async port => ({ port, close: async () => undefined }),
  }
}

export function serverMachine(chosen: ChosenServer, { home, environment }: Surroundings): Machine {
  // The editor has no terminal on which ssh could ask for a passphrase.
  const use = { environment, isUnattended: true }
  let browser: Awaited<ReturnType<typeof browserAddress>> | undefined
  return {
    server: chosen.name,
    key: JSON.stringify(chosen),
    connect: signal => connectTo(chosen, { ...use, home, signal }),
    browserDoor: async () => {
      const before = browser
      // A port of an earlier connection may be somebody else's by now.
      browser = await browserAddress(chosen, use)
      await before?.close()
      return { url: browser.url, token: chosen.server.token }
    },
    forward: port => forwardFrom(chosen, port, use),
  }
}

/** One that was chosen and that nobody knows: what is asked of it fails, instead of being done elsewhere. */
export function unknownMachine(name: string, why: RyoFaasError): Machine {
  const fail = () => Promise.reject(why)
  return { server: name, key: `unknown ${name} ${why.message}`, connect: fail, browserDoor: fail, forward: fail }
}

export interface Surroundings {
  /** Of this machine's platform; its list of servers is in it. */
  home: string
  environment: NodeJS.ProcessEnv
}
