/** Where the deployer's routes go: to the proxy, and what of them the dispatcher needs to its file. */
import { writeFunctions } from './services/dispatcher/index.ts'
import { ProxyControl, proxyPaths, type RouteTable } from './services/proxy/index.ts'

export class RoutesSink {
  readonly #home: string
  readonly #proxy: ProxyControl
  #written: string | undefined

  constructor(home: string) {
    this.#home = home
    this.#proxy = new ProxyControl({ controlPath: proxyPaths(home).control })
  }

  async setRoutes(table: RouteTable): Promise<void> {
    await this.#proxy.setRoutes(table)
    const functions = table.routes.map(({ name, displayName, timeoutMs, async }) => ({
      route: name,
      displayName,
      timeoutMs,
      ...(async && { async }),
    }))
    // Instances come and go far more often than functions do.
    const text = JSON.stringify(functions)
    if (text === this.#written) return
    await writeFunctions(this.#home, functions)
    this.#written = text
  }

  stats() {
    return this.#proxy.stats()
  }
}
