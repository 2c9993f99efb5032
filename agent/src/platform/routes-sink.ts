/** Everybody who needs the routes, in this home and on other machines, and how each is reached. */
import {
  controlPathOf,
  PushChannel,
  type RouteChannel,
  type RoutePatch,
  type RouteTable,
  type Served,
} from '../routes/index.ts'
import { DispatcherControl, dispatcherName } from '../services/dispatcher/index.ts'
import { FarProxies, ProxyControl, type Demand } from '../services/proxy/index.ts'

/** A dispatcher that hangs holds up a deployment for so long, once. */
const CONTROL_TIMEOUT_MS = 2_000

export class RoutesSink implements RouteChannel {
  readonly name = 'proxy'
  readonly #proxy: ProxyControl
  readonly #channel: PushChannel
  /** None until they are opened. */
  readonly far = new FarProxies()
  readonly dispatchers: readonly DispatcherControl[]

  /** @param parts `onLate` hears why a dispatcher gets a table later */
  constructor(home: string, { dispatchers, onLate }: { dispatchers: number; onLate: (error: Error) => void }) {
    this.#proxy = new ProxyControl({ controlPath: controlPathOf(home, 'proxy') })
    this.dispatchers = Array.from({ length: dispatchers }, (_, index) => {
      const name = dispatcherName(index + 1)
      return new DispatcherControl({ name, controlPath: controlPathOf(home, name), timeoutMs: CONTROL_TIMEOUT_MS })
    })
    this.#channel = new PushChannel({ proxies: [this.#proxy, this.far], dispatchers: this.dispatchers }, onLate)
  }

  publish(table: RouteTable, onServed?: () => void): Promise<void> {
    return this.#channel.publish(table, onServed)
  }

  publishOne(patch: RoutePatch): Promise<Served> {
    return this.#channel.publishOne(patch)
  }

  /** @throws ControlError */
  figures() {
    return this.far.figures(this.#proxy.figures())
  }

  /** @throws ControlError */
  stats() {
    return this.far.stats(this.#proxy.stats())
  }

  /** @throws ControlError */
  keyUses() {
    return this.far.keyUses(this.#proxy.keyUses())
  }

  /** @throws ControlError */
  demand(signal: AbortSignal, onOpen?: () => void): AsyncIterable<Demand> {
    return this.#proxy.demand(signal, onOpen)
  }

  close(): void {
    this.#channel.close()
  }
}
