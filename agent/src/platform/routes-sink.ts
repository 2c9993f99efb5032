/** Everybody in this home who needs the routes, and how each is reached. */
import { PushChannel, type RouteChannel, type RouteTable } from '../routes/index.ts'
import { dispatcherControl } from '../services/dispatcher/index.ts'
import { ProxyControl, proxyPaths } from '../services/proxy/index.ts'

export class RoutesSink implements RouteChannel {
  readonly #proxy: ProxyControl
  readonly #channel: PushChannel

  constructor(home: string, { dispatchers }: { dispatchers: number }) {
    this.#proxy = new ProxyControl({ controlPath: proxyPaths(home).control })
    this.#channel = new PushChannel({
      proxies: [this.#proxy],
      dispatchers: Array.from({ length: dispatchers }, (_, index) => dispatcherControl(home, index + 1)),
    })
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
