/** Everybody in this home who needs the routes, and how each is reached. */
import { PushChannel, type RouteChannel, type RouteTable } from '../routes/index.ts'
import { dispatcherControl } from '../services/dispatcher/index.ts'
import { ProxyControl, proxyPaths } from '../services/proxy/index.ts'

export class RoutesSink implements RouteChannel {
  readonly #proxy: ProxyControl
  readonly #channel: PushChannel

  /** @param parts `onLate` hears why a dispatcher gets a table later */
  constructor(home: string, { dispatchers, onLate }: { dispatchers: number; onLate: (error: Error) => void }) {
    this.#proxy = new ProxyControl({ controlPath: proxyPaths(home).control })
    const controls = Array.from({ length: dispatchers }, (_, index) => dispatcherControl(home, index + 1))
    this.#channel = new PushChannel({ proxies: [this.#proxy], dispatchers: controls }, onLate)
  }

  publish(table: RouteTable): Promise<void> {
    return this.#channel.publish(table)
  }

  /** @throws ControlError */
  figures() {
    return this.#proxy.figures()
  }

  /** @throws ControlError */
  stats() {
    return this.#proxy.stats()
  }

  close(): void {
    this.#channel.close()
  }
}
