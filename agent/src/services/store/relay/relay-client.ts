/**
 * The relay seen from the store: in a thread of its own if the store lets others read its log, started again if it fails.
 * Keeps its position in the store, lazily: the stream knows better, but the stream may be empty.
 */
import { type DocumentStore, timeOfEvent } from '../documents/index.ts'
import { startThread } from '../start-thread.ts'
import type { RelayNews, RelayRunOptions, RelayThread } from './relay-thread.ts'
import type { RelayPosition, RelayState } from './relay.ts'

export interface RelayClientOptions {
  store: DocumentStore
  /** Module that the thread runs; it passes `workerData` to `runRelayThread`. Without it there is none. */
  entry: URL | undefined
  nats: RelayRunOptions['nats']
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
/** Until a thread is started, which takes 0.1 s of CPU: whoever starts the platform waits for other things. */
const FIRST_THREAD_MS = 200

export class RelayClient {
  readonly #options: RelayClientOptions
  readonly #epoch: string
  readonly #saver: NodeJS.Timeout
  #position: RelayPosition | undefined
  #savedSequence: number
  #state: RelayState = 'connecting'
  #isClosed = false
  #starting: NodeJS.Timeout | undefined
  #end: () => Promise<unknown> = async () => undefined

  private constructor(options: RelayClientOptions, known: { epoch: string; position: RelayPosition | undefined }) {
    this.#options = options
    this.#epoch = known.epoch
    this.#position = known.position
    this.#savedSequence = known.position?.sequence ?? 0
    this.#saver = setInterval(() => void this.#save(), SAVE_MS)
    this.#starting = setTimeout(() => this.#start(), options.entry === undefined ? 0 : FIRST_THREAD_MS)
  }

  static async start(options: RelayClientOptions): Promise<RelayClient> {
    const { store } = options
    const position = (await store.checkpoint('relay')) as RelayPosition | undefined
    return new RelayClient(options, { epoch: await store.epoch(), position })
  }

  /** Sequence of the last event in the stream. */
  get sequence(): number {
    return this.#position?.sequence ?? 0
  }

  async figures(): Promise<RelayFigures> {
    const { sequence } = this
    const { store } = this.#options
    const [{ last }, waiting] = await Promise.all([store.logBounds(), store.event(sequence + 1)])
    const since = waiting === undefined ? NaN : Date.parse(timeOfEvent(waiting.text))
    return {
      state: this.#state,
      sequence,
      lagEvents: Math.max(0, last - sequence),
      lagSeconds: Number.isNaN(since) ? 0 : Math.max(0, (Date.now() - since) / 1_000),
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    clearInterval(this.#saver)
    clearTimeout(this.#starting)
    await this.#end()
    await this.#save()
  }

  #start(): void {
    const { store, entry, nats } = this.#options
    const options: RelayRunOptions = { nats, epoch: this.#epoch, saved: this.#position }
    const shared = entry && store.shareLog?.()
    if (entry === undefined || shared === undefined) {
      // A store with a thread for it loads nothing of the bus: 25 ms of its start.
      const running = import('./relay-thread.ts').then(({ runRelay }) =>
        runRelay(store, options, news => this.#heard(news)),
      )
      this.#end = async () => (await running).close()
      running.then(({ started }) => started).catch((error: Error) => this.#failed(error))
      return
    }
    const workerData: RelayThread = { role: 'relay', log: shared.handle, ...options }
    const worker = startThread(entry, { workerData, transferList: shared.transfer, name: 'store-relay' })
    const gone = new Promise(resolve => worker.once('exit', resolve))
    this.#end = async () => {
      worker.postMessage('close')
      await gone
    }
    worker.on('message', (news: RelayNews) => this.#heard(news))
    worker.once('error', error => this.#failed(error))
  }

  #failed({ message }: Error): void {
    this.#options.onState('failed', message)
    this.#end = async () => undefined
    if (!this.#isClosed) this.#starting = setTimeout(() => this.#start(), RESTART_MS)
  }

  #heard(news: RelayNews): void {
    switch (news.type) {
      case 'state':
        if (news.state !== this.#state) this.#options.onState(news.state, news.problem)
        this.#state = news.state
        break
      case 'position':
        this.#position = news.position
        break
    }
  }

  async #save(): Promise<void> {
    const position = this.#position
    if (position === undefined || position.sequence === this.#savedSequence) return
    try {
      await this.#options.store.saveCheckpoint('relay', position)
      this.#savedSequence = position.sequence
    } catch {
      // The store is busy, or its disk is full: the next time will do.
    }
  }
}
