/**
 * The running platform as the editor knows it, here or on the server that was chosen: followed by the agent's event
 * stream, and found again when the agent was killed, restarted or started from elsewhere, or the connection was lost.
 * Invariants:
 *
 * 1. Nothing is read and nothing is requested before `follow`.
 * 2. While the agent is away, the last state stays visible, marked as such; never that of another machine.
 * 3. The agent's signals only say "look again", and many at once lead to one look; only counts come with their signal.
 * 4. Each look and each command finds out first which machine is chosen now.
 */
import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { AgentClient, type Door } from 'ryo-faas/client'
import { RyoFaasError, type CallCount, type DeploymentView, type PlatformView } from 'ryo-faas/contract'
import type { Machine } from './machine.ts'

export interface Snapshot {
  /** The operator's, with which the doors of the platform open. */
  token: string
  /** On a server, the doors are at its agent. */
  relayed?: { proxy: Door; store: Door }
  platform: PlatformView
  deployments: DeploymentView[]
}

export type LinkState =
  /** Not looked at yet. */
  | { kind: 'unknown' }
  /** No platform runs in this home. */
  | { kind: 'absent' }
  /** A server was chosen and did not answer yet. */
  | { kind: 'connecting'; server: string }
  /** There is one, but its agent does not answer; it may be coming back. Of a server: why. */
  | { kind: 'away'; last: Snapshot | undefined; server?: string; why?: string }
  /** `token`: what store and proxy know the operator by. */
  | ({ kind: 'connected'; token: string; server?: string } & Snapshot)

const LOOK_AGAIN_MS = 60
const RETRY_MS = { first: 200, longest: 3_000 }
/** Each is a login, which servers count. */
const RETRY_SERVER_MS = { first: 1_000, longest: 60_000 }

export interface PlatformLinkOptions {
  /** The one that is chosen now. */
  machine(): Promise<Machine>
  /** Reports that an agent of this machine came, changed or went, and that another machine may be chosen. */
  watch(onChange: () => void): { dispose(): void }
  /** A deployment as it is shown: with its files of this machine, if they are known. */
  located(deployment: DeploymentView, server: string | undefined): DeploymentView
  log(message: string): void
}

export class PlatformLink {
  readonly #options: PlatformLinkOptions
  readonly #events = new EventEmitter<{ change: [LinkState]; poke: [] }>()
  readonly #abort = new AbortController()
  #state: LinkState = { kind: 'unknown' }
  #machine: Machine | undefined
  #aiming: Promise<unknown> = Promise.resolve()
  /** Ends the stream when another machine is chosen. */
  #leaving = new AbortController()
  /** As the agent says it. */
  #deployments: DeploymentView[] = []
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

  /** Name of the server; undefined: this machine, or nothing was asked yet. */
  get server(): string | undefined {
    return this.#machine?.server
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
    return snapshot && (snapshot.relayed?.proxy ?? { url: snapshot.platform.proxyUrl, token: snapshot.token })
  }

  /** Where the store answers, while it is running. */
  get store(): Door | undefined {
    if (this.#state.kind !== 'connected') return undefined
    const { platform, token, relayed } = this.#state
    const part = platform.parts.find(({ name }) => name === 'store')
    const isThere = part?.state === 'running' && part.address !== undefined
    return isThere ? (relayed?.store ?? { url: `http://${part.address}`, token }) : undefined
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
    this.#watcher = this.#options.watch(() => void this.#aim().then(() => this.#poke()))
    this.#following = this.#run()
  }

  /** The machine that is chosen now. */
  machine(): Promise<Machine> {
    return this.#aim()
  }

  /** @throws RyoFaasError NOT_RUNNING, SERVER_UNREACHABLE, SERVER_NOT_FOUND */
  async client(): Promise<AgentClient> {
    const machine = await this.#aim()
    const client = this.#client ?? (await machine.connect())
    return client ?? Promise.reject(this.notRunning())
  }

  /** What there is to say while no platform answers. */
  notRunning(): RyoFaasError {
    const { server } = this
    if (server === undefined) return new RyoFaasError('NOT_RUNNING', 'ryo-faas is not running')
    const why = this.#state.kind === 'away' ? (this.#state.why ?? '') : ''
    // It names the server, if it is about the way there.
    const message = why.includes(`"${server}"`)
      ? why
      : `the server "${server}" does not answer${why === '' ? '' : `: ${why}`}`
    return new RyoFaasError('SERVER_UNREACHABLE', message)
  }

  /** Looks now, and resolves when the state is what was seen. */
  async refresh(): Promise<void> {
    this.follow()
    await this.#aim()
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

  /** Where the files of deployments are may have changed. */
  locateAgain(): void {
    if (this.#state.kind === 'connected') this.#set({ ...this.#state, deployments: this.#located() })
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
    let failures = 0
    while (!signal.aborted) {
      this.#wasPoked = false
      const client = await this.#find()
      const { first, longest } = this.server === undefined ? RETRY_MS : RETRY_SERVER_MS
      if (client) {
        const begin = Date.now()
        await this.#listen(client)
        if (signal.aborted) return
        if (this.#client === client) this.#lose()
        if (Date.now() - begin > longest) failures = 0
      }
      // Without a platform only its file says when there is one.
      const isAbsent = this.#state.kind === 'absent'
      await this.#pause(isAbsent ? undefined : Math.min(first * 2 ** failures, longest))
      failures = isAbsent || this.#wasPoked ? 0 : failures + 1
    }
  }

  /** Its stream ended. */
  #lose(): void {
    const { server } = this
    this.#client = undefined
    if (this.#state.kind !== 'connected') return
    const lost = server === undefined ? {} : { server, why: 'the connection was lost' }
    this.#set({ kind: 'away', last: this.#state, ...lost })
  }

  /** One after another: the answer to an older question must not undo a newer one. */
  #aim(): Promise<Machine> {
    const aiming = this.#aiming.then(async () => {
      const machine = await this.#options.machine()
      if (this.#machine?.key !== machine.key) this.#turnTo(machine)
      return this.#machine!
    })
    this.#aiming = aiming.catch(() => undefined)
    return aiming
  }

  /** What is known of another machine is forgotten, and its stream ends. */
  #turnTo(machine: Machine): void {
    const isFirst = this.#machine === undefined
    this.#machine = machine
    this.#client = undefined
    this.#leaving.abort()
    this.#leaving = new AbortController()
    if (machine.server !== undefined) this.#set({ kind: 'connecting', server: machine.server })
    else if (!isFirst) this.#set({ kind: 'unknown' })
    if (!isFirst) this.#poke()
  }

  /** A client for the agent, if it answers; the state is then what it said. */
  #find(): Promise<AgentClient | undefined> {
    // One after another: an older search that fails must not undo what a newer one found.
    return (this.#finding = this.#finding.then(() => this.#search()))
  }

  async #search(): Promise<AgentClient | undefined> {
    const machine = await this.#aim()
    const isLeft = () => this.#machine !== machine
    try {
      const client = await machine.connect()
      if (!client && !isLeft()) this.#set({ kind: 'absent' })
      if (client) await this.#look(client)
      if (!client || isLeft()) return undefined
      this.#client = client
      return client
    } catch (error) {
      if (!isLeft()) this.#miss((error as Error).message)
      return undefined
    }
  }

  #miss(why: string): void {
    const { server } = this
    const state: LinkState = { kind: 'away', last: this.snapshot, ...(server !== undefined && { server, why }) }
    if (JSON.stringify(state) === JSON.stringify(this.#state)) return
    this.#options.log(`${server === undefined ? 'the agent' : `the server ${server}`} is not responding: ${why}`)
    this.#set(state)
  }

  async #listen(client: AgentClient): Promise<void> {
    const signal = AbortSignal.any([this.#abort.signal, this.#leaving.signal])
    try {
      // Also after the first event, `hello`: what changed between the last look and now was not signalled.
      for await (const event of client.stream('events', {}, signal)) {
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
    this.#deployments = withCounts(this.#deployments, counts)
    this.locateAgain()
  }

  async #ask(client: AgentClient): Promise<void> {
    const machine = this.#machine
    this.#counted = []
    const signal = AbortSignal.any([this.#abort.signal, this.#leaving.signal, AbortSignal.timeout(10_000)])
    const platform = await client.call('platform', {}, signal)
    const isReady = platform.phase.kind === 'ready'
    const { deployments } = isReady ? await client.call('deployments', {}, signal) : { deployments: this.#deployments }
    if (machine !== this.#machine) return
    const { server } = this
    const [proxy, store] = [client.relay('proxy'), client.relay('store')]
    // What was counted while the answer was on its way is newer.
    this.#deployments = withCounts(deployments, this.#counted)
    this.#set({
      ...{ kind: 'connected', token: client.token, platform, deployments: this.#located() },
      ...(server !== undefined && { server }),
      ...(proxy && store && { relayed: { proxy, store } }),
    })
  }

  #located(): DeploymentView[] {
    return this.#deployments.map(deployment => this.#options.located(deployment, this.server))
  }

  #set(state: LinkState): void {
    if (this.#abort.signal.aborted) return
    if (state.kind !== 'connected' && state.kind !== 'away') this.#deployments = []
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
