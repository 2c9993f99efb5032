/** Where the deployer's routes go: to the proxy, and what of them the dispatcher needs to its file. */
import type { DeployedRoute } from '../deployments/index.ts'
import { writeFunctions } from '../services/dispatcher/index.ts'
import { ProxyControl, proxyPaths } from '../services/proxy/index.ts'

export class RoutesSink {
  readonly #home: string
  readonly #proxy: ProxyControl
  #written: string | undefined

  constructor(home: string) {
    this.#home = home
    this.#proxy = new ProxyControl({ controlPath: proxyPaths(home).control })
  }

  async setRoutes({ generation, routes }: { generation: number; routes: DeployedRoute[] }): Promise<void> {
    // First the proxy: a dispatcher calls through it.
    await this.#proxy.setRoutes({ generation, routes: routes.map(({ policy: _p, triggers: _t, ...route }) => route) })
    const functions = routes.map(({ name, displayName, timeoutMs, policy, triggers }) => ({
      route: name,
      displayName,
      timeoutMs,
      async: policy,
      triggers,
    }))
    // Instances come and go far more often than functions do.
    const text = JSON.stringify(functions)
    if (text === this.#written) return
    await writeFunctions(this.#home, functions)
    this.#written = text
  }

  /** @throws ProxyControlError */
  figures() {
    return this.#proxy.figures()
  }

  stats() {
    return this.#proxy.stats()
  }
}
