/** Takes old events out of the log now and then; never one that is not relayed. */
import type { DocumentStore } from './documents/index.ts'
import { StoreError } from './store-error.ts'

export interface LogKeeperOptions {
  store: DocumentStore
  retentionMs: number
  /** Sequence up to which the log may go. */
  relayed: () => number | Promise<number>
  onError: (error: Error) => void
}

const PERIOD_MS = 60_000

export class LogKeeper {
  private readonly options: LogKeeperOptions
  private readonly timer: NodeJS.Timeout
  private work: Promise<void> | undefined

  constructor(options: LogKeeperOptions) {
    this.options = options
    this.timer = setInterval(() => this.trim(), PERIOD_MS)
    this.trim()
  }

  async close(): Promise<void> {
    clearInterval(this.timer)
    await this.work
  }

  private trim(): void {
    this.work ??= this.trimmed()
      .catch((error: Error) => {
        if (!(error instanceof StoreError) || error.code !== 'SHUTTING_DOWN') this.options.onError(error)
      })
      .then(() => void (this.work = undefined))
  }

  private async trimmed(): Promise<void> {
    const { store, retentionMs, relayed } = this.options
    const before = new Date(Date.now() - retentionMs).toISOString()
    await store.trimLog({ before, through: await relayed() })
  }
}
