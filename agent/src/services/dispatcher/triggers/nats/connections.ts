/** Connections to servers of the users: one for all triggers that connect in the same way, while any of them does. */
import { connectBus, readServerUrls, type Bus, type BusOptions } from '../../../../bus/index.ts'
import type { NatsTrigger } from '../../../../contract/index.ts'

export type Server = Omit<BusOptions, 'name' | 'retryMs' | 'onFailure' | 'timeoutMs'>

const RETRY_MS = 2_000

/** @throws Error if a secret is not set, or is no URL */
export function serverOf(trigger: NatsTrigger, secrets: Readonly<Record<string, string>>): Server {
  const secret = (name: string) => {
    const value = secrets[name]?.trim()
    if (!value) throw new Error(`the secret ${name} is not set`)
    return value
  }
  const { server, credentials, tls = {} } = trigger
  const given = server.includes('://') ? server : secret(server)
  const urls = readServerUrls(given)
  if (urls === undefined) throw new Error(`the secret ${server} is not a URL such as nats://user:password@host:4222`)
  const named = Object.entries(tls).map(([key, name]) => [key, secret(name ?? '')] as const)
  return {
    ...urls.access,
    ...(credentials !== undefined && { credentials: secret(credentials) }),
    ...((urls.isSecure || named.length > 0) && { tls: Object.fromEntries(named) }),
  }
}

interface Shared {
  users: number
  bus: Promise<Bus>
  failed: Set<(reason: string) => void>
  stop: AbortController
}

export class NatsConnections {
  readonly #shared = new Map<string, Shared>()

  /**
   * @param onFailure called after each attempt that failed
   * @returns the connection, however long that takes, and a function that gives it back
   */
  take(server: Server, onFailure: (reason: string) => void): { bus: Promise<Bus>; release: () => Promise<void> } {
    const key = JSON.stringify(server)
    const shared = this.#shared.get(key) ?? connect(server)
    this.#shared.set(key, shared)
    shared.users += 1
    shared.failed.add(onFailure)
    let isReleased = false
    const release = async () => {
      if (isReleased) return
      isReleased = true
      shared.failed.delete(onFailure)
      shared.users -= 1
      if (shared.users > 0) return
      this.#shared.delete(key)
      await disconnect(shared)
    }
    return { bus: shared.bus, release }
  }

  async close(): Promise<void> {
    const all = [...this.#shared.values()]
    this.#shared.clear()
    await Promise.all(all.map(disconnect))
  }
}

function connect(server: Server): Shared {
  const stop = new AbortController()
  const failed: Shared['failed'] = new Set()
  const onFailure = ({ message }: Error) => failed.forEach(tell => tell(message))
  const bus = connectBus({ ...server, name: 'ryo-faas trigger', retryMs: RETRY_MS, onFailure }, stop.signal)
  // Whoever waits for it hears of its end.
  bus.catch(() => undefined)
  return { users: 0, bus, failed, stop }
}

async function disconnect({ bus, stop }: Shared): Promise<void> {
  stop.abort()
  const connected = await bus.catch(() => undefined)
  // The last acknowledgements.
  if (connected?.isConnected) await connected.flush().catch(() => undefined)
  await connected?.close()
}
