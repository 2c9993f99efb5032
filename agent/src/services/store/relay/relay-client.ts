/**
 * The relay seen from the store: started in its thread, woken by commits, started again if it fails. Keeps its position in
 * the environment, lazily: the stream knows better, but the stream may be empty.
 */
import type { Worker } from 'node:worker_threads'
import { type LmdbStore, STATE, startThread, timeOfEvent } from '../engine/index.ts'
import type { RelayNews, RelayOrder, RelayThreadOptions } from './relay-thread.ts'
import type { RelayPosition, RelayState } from './relay.ts'

export interface RelayClientOptions {
  store: LmdbStore
  /** Folder of the environment. */
  path: string
  /** Module that the thread runs; it passes `workerData` to `runRelayThread`. */
  entry: URL
  nats: RelayThreadOptions['nats']
  onState: (state: RelayState | 'failed', problem?: string) => void
}

export interface RelayFigures {
  state: RelayState
  /** Sequence of the last event in the stream. */
  sequence: number
  lagEvents: number
  /** Age of the first event that is not in the stream. */
  lagSeconds: number
}

const SAVE_MS = 1_000
const RESTART_MS = 1_000

export class RelayClient {
  private readonly options: RelayClientOptions
  private readonly epoch: string
  private worker: Worker | undefined
  private position: RelayPosition | undefined
  private savedSequence: number
  private state: RelayState = 'connecting'
  private isIdle = false
  private isClosed = false
  private last: number
  private readonly saver: NodeJS.Timeout
  private restart: NodeJS.Timeout | undefined
  private readonly forget: () => void

  private constructor(options: RelayClientOptions, epoch: string) {
    this.options = options
    this.epoch = epoch
    this.position = options.store.readState<RelayPosition>(STATE.relay)
    this.savedSequence = this.position?.sequence ?? 0
    this.last = options.store.logBounds().last
    this.forget = options.store.onCommit(last => this.committed(last))
    this.saver = setInterval(() => void this.save(), SAVE_MS)
    this.start()
  }

  static async start(options: RelayClientOptions): Promise<RelayClient> {
    return new RelayClient(options, await options.store.epoch())
  }

  get figures(): RelayFigures {
    const sequence = this.position?.sequence ?? 0
    const waiting = this.options.store.event(sequence + 1)
    const since = waiting === undefined ? NaN : Date.parse(timeOfEvent(waiting.text))
    return {
      state: this.state,
      sequence,
      lagEvents: Math.max(0, this.last - sequence),
      lagSeconds: Number.isNaN(since) ? 0 : Math.max(0, (Date.now() - since) / 1_000),
    }
  }

  async close(): Promise<void> {
    if (this.isClosed) return
    this.isClosed = true
    this.forget()
    clearInterval(this.saver)
    clearTimeout(this.restart)
    const { worker } = this
    if (worker !== undefined) {
      const gone = new Promise(resolve => worker.once('exit', resolve))
      this.order('close')
      await gone
    }
    await this.save()
  }

  private start(): void {
    const { entry, path, nats, onState } = this.options
    const workerData: RelayThreadOptions = { role: 'relay', path, nats, epoch: this.epoch, saved: this.position }
    const worker = startThread(entry, { workerData, name: 'store-relay' })
    this.worker = worker
    this.isIdle = false
    worker.on('message', (news: RelayNews) => this.heard(news))
    worker.once('error', error => {
      onState('failed', error.message)
      this.worker = undefined
      if (!this.isClosed) this.restart = setTimeout(() => this.start(), RESTART_MS)
    })
  }

  private heard(news: RelayNews): void {
    switch (news.type) {
      case 'state':
        if (news.state !== this.state) this.options.onState(news.state, news.problem)
        this.state = news.state
        break
      case 'position':
        this.position = news.position
        break
      case 'idle':
        this.isIdle = true
        // It may have looked just before the last commit.
        if (this.last > news.through) this.wake()
        break
    }
  }

  private committed(last: number): void {
    this.last = last
    if (this.isIdle) this.wake()
  }

  private wake(): void {
    this.isIdle = false
    this.order('wake')
  }

  private order(order: RelayOrder): void {
    this.worker?.postMessage(order)
  }

  private async save(): Promise<void> {
    const { position } = this
    if (position === undefined || position.sequence === this.savedSequence) return
    try {
      await this.options.store.saveState(STATE.relay, position)
      this.savedSequence = position.sequence
    } catch {
      // The store is busy, or its disk is full: the next time will do.
    }
  }
}
