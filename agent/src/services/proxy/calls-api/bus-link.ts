/** The proxy's connection to the bus, made in the background: a proxy works without a bus. */
import { type Bus, type BusAccess, BusError, connectBus } from '../../../bus/index.ts'

export class BusLink {
  private readonly abort = new AbortController()
  private readonly connecting: Promise<void>
  private bus: Bus | undefined
  private lastFailure = ''

  constructor(address: BusAccess | undefined) {
    this.connecting = address === undefined ? Promise.resolve() : this.connect(address)
  }

  /** @throws BusError UNAVAILABLE at once if there is no connection now. */
  get(): Bus {
    if (this.bus?.isConnected === true) return this.bus
    throw new BusError('UNAVAILABLE', `not connected to NATS${this.lastFailure}`)
  }

  async close(): Promise<void> {
    this.abort.abort()
    await this.connecting
    await this.bus?.close()
  }

  private async connect(address: BusAccess): Promise<void> {
    try {
      const onFailure = (error: Error) => (this.lastFailure = `: ${error.message}`)
      this.bus = await connectBus({ ...address, name: `proxy ${process.pid}`, onFailure }, this.abort.signal)
      this.lastFailure = ''
    } catch (error) {
      if (!this.abort.signal.aborted) throw error
    }
  }
}
