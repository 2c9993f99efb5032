/** The proxy's connection to the bus, made in the background: a proxy works without a bus. */
import { type Bus, type BusAccess, BusError, connectBus } from '../../../bus/index.ts'

/** In this time a server that is there has answered. */
const FIRST_TRY_MS = 2_000

export class BusLink {
  /**
   * Resolves when it is connected, has failed once, or has tried for two seconds; never rejects. Calls that come
   * before are refused although the bus may be there.
   */
  readonly tried: Promise<void>
  private readonly abort = new AbortController()
  private readonly connecting: Promise<void>
  private bus: Bus | undefined
  private lastFailure = ''

  constructor(address: BusAccess | undefined) {
    let onTried!: () => void
    this.tried = new Promise(resolve => (onTried = resolve))
    const late = setTimeout(onTried, FIRST_TRY_MS)
    this.connecting = (address === undefined ? Promise.resolve() : this.connect(address, onTried)).finally(() => {
      clearTimeout(late)
      onTried()
    })
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

  private async connect(address: BusAccess, onTried: () => void): Promise<void> {
    try {
      const onFailure = (error: Error) => {
        this.lastFailure = `: ${error.message}`
        onTried()
      }
      this.bus = await connectBus({ ...address, name: `proxy ${process.pid}`, onFailure }, this.abort.signal)
      this.lastFailure = ''
    } catch (error) {
      if (!this.abort.signal.aborted) throw error
    }
  }
}
