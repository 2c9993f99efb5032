/**
 * The running platform as the editor knows it: found through its home, followed by the agent's event stream, and found
 * again when the agent was killed, restarted or started from elsewhere. Invariants:
 *
 * 1. Nothing is read and nothing is requested before `follow`.
 * 2. While the agent is away, the last state stays visible, marked as such.
 * 3. The agent's signals only say "look again", and many at once lead to one look; only counts come with their signal.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AgentClient, readAgentFile, type Door } from 'ryo-faas/client'
import { RyoFaasError, type CallCount, type DeploymentView, type PlatformView } from 'ryo-faas/contract'

export interface Snapshot {
  /** The operator's, with which the doors of the platform open. */
  token: string
  platform: PlatformView
  deployments: DeploymentView[]
}

export type LinkState =
  /** Not looked at yet. */
  | { kind: 'unknown' }
  /** No platform runs in this home. */
  | { kind: 'absent' }
  /** There is one, but its agent does not answer; it may be coming back. */
  | { kind: 'away'; last: Snapshot | undefined }
  /** `token`: what store and proxy know the operator by. */
  | ({ kind: 'connected'; token: string } & Snapshot)

const LOOK_AGAIN_MS = 60
const RETRY_MS = { first: 200, longest: 3_000 }

export interface PlatformLinkOptions {
  home: string
  /** Reports that `agent.json` in the home came, changed or went. */
  watch(onChange: () => void): { dispose(): void }
  log(message: string): void
}

export class PlatformLink {
  readonly #options: PlatformLinkOptions
  readonly #events = new EventEmitter<{ change: [LinkState]; poke: [] }>()
  readonly #abort = new AbortController()
  #state: LinkState = { kind: 'unknown' }
  #client: AgentClient | undefined
  #following: Promise<void> | undefined
  #watcher: { dispose(): void } | undefined
  #lookTimer: NodeJS.Timeout | undefined
  #looking: Promise<void> | undefined
  #finding: Promise<AgentClient | undefined> = Promise.resolve(undefined)
  /** Since the last search began. */
  #wasPoked = false
  /** Since the last look began. */
  #counted: CallCount[] = []

  constructor(options: PlatformLinkOptions) {
    this.#options = options
    this.#events.setMaxListeners(0)
  }

  get home(): string {
    return this.#options.home
  }

  get state(): LinkState {
    return this.#state
  }

  /** What is known of the platform, up to date or not. */
  get snapshot(): Snapshot | undefined {
    if (this.#state.kind === 'connected') return this.#state
    return this.#state.kind === 'away' ? this.#state.last : undefined
  }

  get isReady(): boolean {
    return this.#state.kind === 'connected' && this.#state.platform.phase.kind === 'ready'
  }

  /** Where calls are sent, whether it is running or not. */
  get proxy(): Door | undefined {
    const { snapshot } = this
    return snapshot && { url: snapshot.platform.proxyUrl, token: snapshot.token }
  }

  /** Where the store answers, while it is running. */
  get store(): Door | undefined {
    if (this.#state.kind !== 'connected') return undefined
    const { platform, token } = this.#state
    const part = platform.parts.find(({ name }) => name === 'store')
    const isThere = part?.state === 'running' && part.address !== undefined
    return isThere ? { url: `http://${part.address}`, token } : undefined
  }

  deployment(name: string): DeploymentView | undefined {
    return this.snapshot?.deployments.find(deployment => deployment.name === name)
  }

  onChange(listener: (state: LinkState) => void): { dispose(): void } {
    this.#events.on('change', listener)
    return { dispose: () => void this.#events.off('change', listener) }
  }

  /** Begins to follow the platform; calling it again changes nothing. */
  follow(): void {
    if (this.#following || this.#abort.signal.aborted) return
    this.#watcher = this.#options.watch(() => this.#poke())
    this.#following = this.#run()
  }

  /** @throws RyoFaasError NOT_RUNNING */
  async client(): Promise<AgentClient> {
    return this.#client ?? AgentClient.connect(this.#options.home)
  }

  /** Looks now, and resolves when the state is what was seen. */
  async refresh(): Promise<void> {
    this.follow()
    const client = this.#client
    try {
      if (client) return await this.#look(client)
    } catch (error) {
      if (!(error instanceof RyoFaasError) || error.code !== 'NOT_RUNNING') throw error
      // It is gone and its stream has not ended yet: just after a stop or a restart.
      if (this.#client === client) this.#client = undefined
    }
    this.#poke()
    await this.#find()
  }

  close(): void {
    this.#abort.abort()
    clearTimeout(this.#lookTimer)
    this.#watcher?.dispose()
    this.#poke()
    this.#events.removeAllListeners()
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort
    let pauseMs = RETRY_MS.first
    while (!signal.aborted) {
      this.#wasPoked = false
      const client = await this.#find()
      if (client) {
        const begin = Date.now()
        await this.#listen(client)
        this.#client = undefined
        if (signal.aborted) return
        if (Date.now() - begin > RETRY_MS.longest) pauseMs = RETRY_MS.first
        if (this.#state.kind === 'connected') this.#set({ kind: 'away', last: this.#state })
      }
      // Without a platform only its file says when there is one.
      await this.#pause(this.#state.kind === 'absent' ? undefined : pauseMs)
      pauseMs = Math.min(pauseMs * 2, RETRY_MS.longest)
      if (this.#state.kind === 'absent') pauseMs = RETRY_MS.first
    }
  }

  /** A client for the home's agent, if it answers; the state is then what it said. */
  #find(): Promise<AgentClient | undefined> {
    // One after another: an older search that fails must not undo what a newer one found.
    return (this.#finding = this.#finding.then(() => this.#search()))
  }

  async #search(): Promise<AgentClient | undefined> {
    try {
      const found = await readAgentFile(this.#options.home)
      if (!found) {
        this.#set({ kind: 'absent' })
        return undefined
      }
      const client = new AgentClient({ url: found.agent.url, token: found.token })
      await this.#look(client)
      this.#client = client
      return client
    } catch (error) {
      if (this.#state.kind !== 'away') {
        this.#options.log(`the agent is not responding: ${(error as Error).message}`)
        this.#set({ kind: 'away', last: this.snapshot })
      }
      return undefined
    }
  }

  async #listen(client: AgentClient): Promise<void> {
    try {
      // Also after the first event, `hello`: what changed between the last look and now was not signalled.
      for await (const event of client.stream('events', {}, this.#abort.signal)) {
        if (event.type === 'calls-counted') this.#count(event.counts)
        else if (event.type !== 'traces-changed') this.#lookSoon()
      }
    } catch (error) {
      this.#options.log(`the agent's events ended: ${(error as Error).message}`)
    }
  }

  #lookSoon(): void {
    this.#lookTimer ??= setTimeout(() => {
      this.#lookTimer = undefined
      void this.#look().catch(() => undefined) // The stream ends as well then, and that is handled.
    }, LOOK_AGAIN_MS)
  }

  #look(client = this.#client): Promise<void> {
    if (!client) return Promise.resolve()
    // One that is under way may have looked already; a second one waits for it and looks again.
    const before = this.#looking ?? Promise.resolve()
    const looking = before.catch(() => undefined).then(() => this.#ask(client))
    this.#looking = looking
    return looking
  }

  #count(counts: CallCount[]): void {
    this.#counted.push(...counts)
    if (this.#state.kind !== 'connected') return
    this.#set({ ...this.#state, deployments: withCounts(this.#state.deployments, counts) })
  }

  async #ask(client: AgentClient): Promise<void> {
    this.#counted = []
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(10_000)])
    const platform = await client.call('platform', {}, signal)
    const isReady = platform.phase.kind === 'ready'
    const { deployments } = isReady
      ? await client.call('deployments', {}, signal)
      : { deployments: this.snapshot?.deployments ?? [] }
    // What was counted while the answer was on its way is newer.
    this.#set({ kind: 'connected', token: client.token, platform, deployments: withCounts(deployments, this.#counted) })
  }

  #set(state: LinkState): void {
    if (this.#abort.signal.aborted) return
    const isSame = JSON.stringify(state) === JSON.stringify(this.#state)
    this.#state = state
    if (!isSame) this.#events.emit('change', state)
  }

  #poke(): void {
    this.#wasPoked = true
    this.#events.emit('poke')
  }

  async #pause(milliseconds: number | undefined): Promise<void> {
    if (this.#wasPoked) return
    const wake = new AbortController()
    const onPoke = () => wake.abort()
    this.#events.once('poke', onPoke)
    try {
      await delay(milliseconds ?? 2 ** 30, undefined, { signal: wake.signal, ref: false })
    } catch {
      return // Poked: look now.
    } finally {
      this.#events.off('poke', onPoke)
    }
  }
}

function withCounts(deployments: DeploymentView[], counts: readonly CallCount[]): DeploymentView[] {
  if (counts.length === 0) return deployments
  const latest = new Map(counts.map(({ route, ...count }) => [route, count]))
  return deployments.map(deployment => ({ ...deployment, ...latest.get(deployment.route) }))
}
